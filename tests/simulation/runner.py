"""One simulated runner: the product's worker, duties and rescuer, driven by the world instead of by threads.

What stands for `chalicelib/runtime` here is only who calls what and when: the dispatcher's look, the minute's
tick, upkeep, the watch for dead peers, and the renewal of leases.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.sync import rollback, sync
from chalicelib.duties.duties import Duties
from chalicelib.errors import BundleError, SauronError
from chalicelib.execution.rescue import Rescuer, StandstillDetector
from chalicelib.execution.running_attempts import HEARTBEAT_SECONDS
from chalicelib.execution.worker import Worker
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run
from chalicelib.runtime.worker_pool import (
    LOOK_ANYWAY_SECONDS,
    LOOKS_FOR_LAPSED,
    STORE_PAUSE_SECONDS,
    WATCH_SECONDS,
)
from chalicelib.settings import Settings
from chalicelib.store import registry
from chalicelib.store.queue import enqueue
from chalicelib.wakeup.signals import Signals
from chalicelib.wakeup.waker import Waker
from tests.conftest import job_record
from tests.simulation.coroutine import Crash, Task
from tests.simulation.jobs import require
from tests.simulation.launcher import Launcher
from tests.simulation.ledger import Actor

if TYPE_CHECKING:
    from tests.simulation.world import World

UPKEEP_SECONDS = 600.0
NOTED_WITHIN = timedelta(seconds=90)  # clocks of runners differ, and are set back by 61 seconds at most
SETTINGS = Settings.read(
    {"JOB_QUEUE_DB_URL": "sqlite:////nowhere/store.sqlite3", "SAURON_POOLS": "db:1,api:2"}
)


class _Alone:
    """Membership without lock files: the world knows who lives."""

    def forget(self, owners: frozenset[str]) -> None:
        pass


class Runner:
    """One process, from its start to its death."""

    def __init__(self, world: World, slot: int, number: int) -> None:
        self.world = world
        self.slot = slot
        self.name = f"runner{slot}-{number}"
        self.alive = True
        self.stalled_until = 0.0
        self.tasks: dict[Task, Actor] = {}
        self._attempts = 0
        self._looks = 0
        self._next_look = -1.0
        self._stopping = False
        store = self.store = world.store(slot)
        self.worker = Worker(
            store,
            world,
            Launcher(self, world.story.seed, longer=world.story.is_short),
            owner=self.name,
            publish=True,
            wait=self.sleep,
        )
        nothing: Any = None
        alone: Any = _Alone()
        self.duties = Duties(
            store,
            world,
            SETTINGS,
            rescuer=Rescuer(
                store,
                world,
                StandstillDetector(world),
                owner=self.name,
                gone=lambda owner: owner in world.ledger.dead,
                holds=self.worker.running_attempts.holds,
                publish=True,
            ),
            membership=alone,
            delivery=nothing,
            publisher=None,
            waker=Waker([world]),
            signals=Signals(),
            sqs=None,
            builtin=lambda: (),
            workers_alive=None,
            upkeep=(Duties.rescue, Duties.tidy, Duties.review_all),
        )

    # Life and death.

    def start(self) -> None:
        """Rescue, tick and look, as a runner does when it starts; then go on every minute."""
        self._do("start", self.duties.rescue_gone)
        self.tick()
        self.look()
        world, phase = self.world, self.world.rng.uniform
        world.every(60.0, phase(0, 60), self.tick, self)
        world.every(LOOK_ANYWAY_SECONDS, phase(0, 60), self.look_anyway, self)
        world.every(UPKEEP_SECONDS, phase(0, UPKEEP_SECONDS), self.upkeep, self)
        world.every(WATCH_SECONDS, phase(0, WATCH_SECONDS), self.watch, self)
        world.every(HEARTBEAT_SECONDS, phase(0, HEARTBEAT_SECONDS), self.renew, self)

    def die(self) -> None:
        """End at once, with everything that runs here."""
        if not self.alive:
            return
        self.alive = False
        self.world.ledger.dead.add(self.name)
        for task in list(self.tasks):
            if not task.ended and task is not self.world.task:
                task.kill()
        self.tasks.clear()
        self.world.died(self)

    def stop(self) -> None:
        """Stop as after SIGTERM: nothing more is claimed, what runs is ended and recorded."""
        self._stopping = True
        self._do("stop", self.worker.running_attempts.stop_all)
        self.world.after(5.0, self.die, self)

    @contextlib.contextmanager
    def _guarded(self, kind: str) -> Iterator[None]:
        """Act as this process; a store that refuses is tried again later, a crash ends the process."""
        with self.world.acting(Actor(kind, self.name), self):
            try:
                yield
            except SQLAlchemyError:
                self.world.note(f"{self.name} {kind}: the store refused")

    def _do(self, kind: str, act: Callable[[], object]) -> None:
        if self.alive:
            with self._guarded(kind):
                act()

    # What threads do in the product.

    def tick(self) -> None:
        """Tick once."""

        def ticked() -> None:
            began, ledger = self.world.now(), self.world.ledger
            self.duties.tick()
            late = began - NOTED_WITHIN
            require(
                ledger.last_tick is not None and ledger.last_tick > late,
                f"the tick of {began:%F %T} came to its end and noted nothing",
            )

        self._do("tick", ticked)

    def upkeep(self) -> None:
        """Do the upkeep, which costs more here than it finds."""
        self._do("upkeep", self.duties.upkeep)

    def watch(self) -> None:
        """Look for peers that died, and every third time for leases that lapsed."""
        self._looks += 1
        running = self.world.ledger.running
        if not running:
            return
        if any(self.world.ledger.runs[one].owner in self.world.ledger.dead for one in running):
            self._do("watch", self.duties.rescue_gone)
        if self._looks % LOOKS_FOR_LAPSED == 0:
            self._do("watch", lambda: self.duties.rescue_dead(self.sleep))

    def renew(self) -> None:
        """Store the logs and renew the leases of what runs here."""
        attempts = self.worker.running_attempts
        if len(attempts):

            def renewed() -> None:
                attempts.flush()
                attempts.heartbeat()

            self._do("heartbeat", renewed)

    def look_anyway(self) -> None:
        """Look at the queue once a minute, if there is anything to look at."""
        ledger = self.world.ledger
        if ledger.queued or any(job.override and job.override[1] for job in ledger.jobs.values()):
            self.look()

    def wake(self) -> None:
        """Look at once: somebody says that there is something."""
        if self.tasks:
            self._do("cancellations", self.worker.running_attempts.check_cancellations)
        self.look()

    def look(self) -> None:
        """Claim for every free worker, or look again when the next run is due."""
        if not self.alive or self._stopping:
            return
        free, again = self.world.story.workers - self._attempts, STORE_PAUSE_SECONDS
        if free <= 0:
            return
        with self._guarded("claim"):
            now = self.world.now()
            runs, decided = self.worker.claim(free)
            for run in runs:
                self._begin(run)
            if runs or decided:
                again = 0.0
            else:
                with self.store.read() as tx:
                    due, switched = enqueue.next_due(tx, now=now), registry.next_override_end(tx)
                if switched is not None and switched <= now:
                    self.tick()
                    return
                times = [(at - now).total_seconds() for at in (due, switched) if at is not None]
                again = min([LOOK_ANYWAY_SECONDS, *times])
        if again < LOOK_ANYWAY_SECONDS and self.alive:
            self._look_in(again)

    def _look_in(self, seconds: float) -> None:
        at = self.world.elapsed + seconds
        if self._next_look <= self.world.elapsed or at < self._next_look:
            self._next_look = at
            self.world.after(seconds, self.look, self)

    # Tasks.

    def begin(self, kind: str, act: Callable[[], None], **details: Any) -> None:
        """Do something that blocks."""
        actor = Actor(kind, self.name, details=details)

        def guarded() -> None:
            try:
                act()
            except (SQLAlchemyError, SauronError) as error:
                self.world.note(f"{self.name} {kind}: {type(error).__name__}")

        task = Task(self.world.threads, guarded, crashed=self.die)
        self.tasks[task] = actor
        self.resume(task)

    def resume(self, task: Task) -> None:
        """Let a task go on."""
        if task.ended or not self.alive:
            return
        with self.world.acting(self.tasks[task], self, task):
            task.resume()
        for over in [one for one in self.tasks if one.ended]:
            del self.tasks[over]

    def sleep(self, seconds: float) -> bool:
        """Wait within a task; elsewhere do not wait."""
        task = self.world.task
        if task is not None:
            self.world.after(seconds, lambda: self.resume(task), self)
            task.pause()
        return False

    def look_at_tasks(self) -> None:
        """Let every task look soon whether it is to end."""
        for task in self.tasks:
            self.world.after(0.5, lambda task=task: self.resume(task), self)  # type: ignore[misc]

    def _begin(self, run: Run) -> None:
        self._attempts += 1

        def execute() -> None:
            following: Run | None = run
            try:
                while following is not None:
                    self._holding(following, None)
                    following = self.worker.execute(
                        following, claim_next=lambda: self.alive and not self._stopping
                    )
            finally:
                self._attempts -= 1
                if self.alive:
                    self.world.after(0.0, self.look, self)
                    self.world.after(0.0, lambda: self._do("flow", self.duties.follow_chains), self)

        self.world.after(0.0, lambda: self.begin("attempt", execute), self)

    def _holding(self, run: Run, outcome: str | None) -> None:
        """Note which lease the current task holds, and how its attempt ended."""
        task = self.world.task
        assert task is not None
        self.tasks[task] = actor = Actor(
            "attempt", self.name, (run.id, run.attempt, run.lease_generation), outcome
        )
        self.world.actor = actor

    def launched(self, run: Run, spec: JobSpec) -> None:
        """Tell the ledger that an attempt is executed."""
        manifest = self.world.manifest(int(run.revision or "0", 16))
        fields = manifest.get(run.job_id) or manifest.get(spec.id)
        require(fields, f"run {run.id} of {run.job_id} executes {spec.id}, which its revision has not")
        require(fields and fields["cron"] == spec.cron, f"run {run.id} executes another revision's {spec.id}")
        self.world.ledger.launched(run.id, run.attempt, run.lease_generation, self.name)

    def ended(self, outcome: str) -> None:
        """Note how the attempt of the current task ended."""
        task = self.world.task
        assert task is not None
        before = self.tasks[task]
        self.tasks[task] = self.world.actor = Actor(before.kind, before.owner, before.lease, outcome)

    # The bundle.

    def sync(self, *, accept: bool, takes: float) -> None:
        """Sync, which takes a while."""

        def act() -> None:
            report = sync(self.store, self.world, Revisions(self, takes), accept_removals=accept)
            self.world.wake_all()
            if report.success and not takes:
                require(
                    self.world.ledger.registry.active == self.world.head,
                    "an acknowledged sync is not in force",
                )

        self.begin("sync", act, accept=accept)

    def rollback(self, to: int) -> None:
        """Go back to an earlier revision."""

        def act() -> None:
            rollback(self.store, self.world, Revisions(self, 0.0), f"{to:040x}")
            self.world.wake_all()

        self.begin("rollback", act)


class Revisions:
    """The bundle's repository, as the world has it. Fetching and loading take their time."""

    followed = "main"

    def __init__(self, runner: Runner, takes: float) -> None:
        self._runner = runner
        self._takes = takes

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Lock nothing: as syncs of two machines, which only the store keeps apart."""
        return contextlib.nullcontext()

    def fetch(self, ref: str | None) -> str:
        """Return the newest revision, or the one that is pinned."""
        sha = ref or f"{self._runner.world.head:040x}"
        if self._takes:
            self._runner.sleep(self._takes)
        return sha

    def load(self, sha: str) -> Loaded:
        """Return what the revision holds."""
        if self._takes:
            self._runner.sleep(self._takes)
        number = int(sha, 16)
        if number in self._runner.world.broken:
            raise BundleError("the manifest raises NameError")
        manifest = self._runner.world.manifest(number)
        return Loaded([job_record(job_id, **fields) for job_id, fields in manifest.items()], [])

    def retire(self, keep: Collection[str]) -> None:
        """Let go of nothing."""


__all__ = ["Crash", "Runner"]
