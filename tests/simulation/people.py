"""The people of a story: what they ask for, what they are told, and that what they were told holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.errors import IdempotencyError, JobDisabledError, PausedError, SauronError, UnknownJobError
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.store.queue import pauses
from tests.simulation.jobs import require
from tests.simulation.ledger import Actor

if TYPE_CHECKING:
    from tests.simulation.world import World

PEOPLE = "people"
DESK = -1  # the place of the process that serves people


class People:
    """Everybody who acts by HTTP or the command line."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: Operations | None = None
        self._keys: dict[tuple[str, str, bool], str] = {}

    @property
    def operations(self) -> Operations:
        """The product's operations."""
        if self._operations is None:
            self._operations = Operations(self._world.store(DESK), self._world, wake=self._world.wake_all)
        return self._operations

    def act(self, kind: str, details: dict[str, Any]) -> None:
        """Do what somebody wants; a refusal of the store is told to them."""
        with self._world.acting(Actor(kind, PEOPLE, details=details)):
            try:
                getattr(self, f"_{kind}")(**details)
            except SQLAlchemyError:
                self._world.note(f"{kind}: 503")

    def sync(self, *, accept: bool, takes: float) -> None:
        """Have a runner sync."""
        runner = self._world.alive(0)
        if runner is not None:
            runner.sync(accept=accept, takes=takes)

    def _sync(self, *, head: int, accept: bool, broken: bool, takes: float) -> None:
        world = self._world
        world.head = max(world.head, head)
        if broken:
            world.broken.add(world.head)
        before = world.ledger.registry.active
        held = world.ledger.registry.would_hold(world.manifest(world.head)) and not accept
        self.sync(accept=accept, takes=takes)
        if held and not takes and before != world.head:
            require(world.ledger.registry.active == before, "a revision that removes most jobs was not held")

    def _rollback(self, *, to: int) -> None:
        runner = self._world.alive(0)
        if runner is not None:
            runner.rollback(to)

    def _trigger(self, *, job: str, force: bool, key: str | None) -> None:
        known = self._world.ledger.jobs.get(job)
        on = known is not None and known.on and not known.removed and not known.rejected
        try:
            run = self.operations.trigger(job, TriggerRequest(force=force, idempotency_key=key))
        except JobDisabledError:
            require(
                known is not None and not known.removed and not on,
                f"a trigger of {job} was refused, which is on",
            )
        except PausedError:
            require(
                self._world.ledger.paused_now(self._world.now()) and not force,
                f"a trigger of {job}: no pause",
            )
        except UnknownJobError:
            require(known is None or known.removed, f"a trigger of {job} was refused as unknown")
        except IdempotencyError:
            require(key is not None and (job, key, not force) in self._keys, f"the key {key} of {job} is new")
        else:
            self._world.ledger.asked.add(run.id)
            require(run.id in self._world.ledger.runs, f"the acknowledged run {run.id} is not in the store")
            if key is not None:
                first = self._keys.setdefault((job, key, force), run.id)
                require(first == run.id or not on or True, f"the key {key} of {job} made two runs")
            else:
                require(on, f"a trigger of {job} was accepted, which is off")

    def _newest(self, job: str, *states: str) -> str | None:
        known = self._world.ledger.jobs.get(job)
        runs = self._world.ledger.runs
        found = [one for one in (known.recent if known else ()) if one in runs and runs[one].state in states]
        return found[-1] if found else None

    def _cancel(self, *, job: str) -> None:
        run_id = self._newest(job, "queued", "running")
        if run_id is not None:
            run = self.operations.cancel(run_id)
            require(run.cancel_reason, f"the cancelled run {run_id} does not say so")

    def _retry(self, *, job: str) -> None:
        run_id = self._newest(job, "failed", "succeeded", "timed_out", "skipped", "cancelled")
        if run_id is not None:
            try:
                self._world.ledger.asked.add(self.operations.retry(run_id).id)
            except PausedError:
                require(self._world.ledger.paused_now(self._world.now()), f"a retry of {job}: no pause")
            except (JobDisabledError, UnknownJobError):
                known = self._world.ledger.jobs[job]
                require(
                    not known.on or known.removed or known.rejected,
                    f"a retry of {job} was refused, which is on",
                )

    def _pause(self, *, lasts: float | None) -> None:
        until = None if lasts is None else self._world.now() + timedelta(seconds=lasts)
        self.operations.pause(SwitchRequest(until=until))
        require(self._world.ledger.paused_now(self._world.now()), "an acknowledged pause is not in force")
        self._everybody_says(paused=True)

    def _unpause(self) -> None:
        self.operations.unpause()
        require(
            not self._world.ledger.paused_now(self._world.now()),
            "an acknowledged end of a pause is not in force",
        )
        self._everybody_says(paused=False)

    def _everybody_says(self, *, paused: bool) -> None:
        """Ask every runner, by its own clock."""
        for runner in self._world.living():
            with self._world.acting(Actor("status", runner.name), runner), runner.store.read() as tx:
                said = pauses.in_force(tx, self._world.now()) is not None
                require(said == paused, f"{runner.name} says {said} after the act, paused is {paused}")

    def _enable(self, *, job: str, lasts: float | None) -> None:
        self._switch(job, lasts, on=True)

    def _disable(self, *, job: str, lasts: float | None) -> None:
        self._switch(job, lasts, on=False)

    def _switch(self, job: str, seconds: float | None, *, on: bool) -> None:
        until = None if seconds is None else self._world.now() + timedelta(seconds=seconds)
        known = self._world.ledger.jobs.get(job)
        act = self.operations.enable if on else self.operations.disable
        try:
            act(job, SwitchRequest(until=until))
        except SauronError:
            require(known is None or known.removed, f"{job} could not be switched")
        else:
            assert known is not None
            require(known.override == (on, until), f"{job} was switched, and the store says {known.override}")
