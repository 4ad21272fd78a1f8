"""Ticks, syncs, switches, runs and crashes in any order: the audit stays clean and nothing runs twice."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chalicelib.answers.audit import audit
from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.sync import rollback, sync
from chalicelib.errors import SauronError
from chalicelib.execution.rescue import Rescuer, StandstillDetector
from chalicelib.model.runs import UNFINISHED, Outcome, Run, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, bundle, history, registry
from chalicelib.store.queue import claims, finish
from tests.conftest import Databases, ManualClock, job_record

CRONS = ("* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "59 23 * * 1-5")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe")
IDS = ("a", "b", "c", "d", "e")

jobs = st.dictionaries(
    st.sampled_from(IDS),
    st.fixed_dictionaries(
        {
            "cron": st.sampled_from((*CRONS, "61 * * * *")),
            "timezone": st.sampled_from(ZONES),
            "enabled": st.booleans(),
            "overlap": st.sampled_from(["skip", "queue", "replace", "allow"]),
            "catchup": st.sampled_from(["none", "latest", "all"]),
            "catchup_max": st.integers(1, 5),
            "max_attempts": st.integers(1, 3),
            "renamed_from": st.sampled_from([None, None, None, "a", "b"]),
        }
    ),
    max_size=5,
)


class Manifests:
    """A bundle whose revisions are made by the test: it stands where git and the zygote are."""

    def __init__(self) -> None:
        self.revisions: list[Mapping[str, Mapping[str, Any]]] = []

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def fetch(self, ref: str | None) -> str:
        return ref or f"{len(self.revisions):040x}"

    def load(self, sha: str) -> Loaded:
        manifest = self.revisions[int(sha, 16) - 1]
        return Loaded([job_record(job_id, **fields) for job_id, fields in manifest.items()], [])

    def retire(self, keep: Collection[str]) -> None:
        pass


class Ledger(RuleBasedStateMachine):
    """Drives the duties on a real store against a clock that only the machine moves."""

    databases: ClassVar[Databases | None] = None  # of PostgreSQL; None: an SQLite file

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.url = self.databases.make() if self.databases else f"sqlite:///{self.folder.name}/store.sqlite3"
        self.store = Store(self.url)
        self.store.migrate()
        self.manifests = Manifests()
        self.held: list[Run] = []
        self.owners = 0
        self.executed: dict[tuple[str, int], int] = {}
        self.asked: set[str] = set()
        self.rescuer = Rescuer(
            self.store,
            self.clock,
            StandstillDetector(self.clock),
            owner="rescuer",
            gone=lambda owner: owner.startswith("dead"),
        )

    @rule(manifest=jobs, accept=st.booleans())
    def sync(self, manifest: Mapping[str, Mapping[str, Any]], accept: bool) -> None:
        self.manifests.revisions.append(manifest)
        sync(self.store, self.clock, self.manifests, accept_removals=accept)

    @rule(index=st.integers(0, 10))
    def rollback(self, index: int) -> None:
        with contextlib.suppress(SauronError):
            rollback(self.store, self.clock, self.manifests, f"{index:040x}")

    @rule()
    def tick(self) -> None:
        tick(self.store, self.clock)

    @rule(seconds=st.integers(1, 90))
    def a_little_later(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)

    @rule(minutes=st.integers(2, 60 * 60))
    def after_downtime(self, minutes: int) -> None:
        self.clock.move(minutes=minutes)

    @rule(job_id=st.sampled_from(IDS))
    def cancel_the_newest(self, job_id: str) -> None:
        with self.store.read() as tx:
            newest = history.runs(tx, job_id=job_id, limit=1)
        if newest:
            with contextlib.suppress(SauronError):
                Operations(self.store, self.clock).cancel(newest[0].id)

    @rule(
        job_id=st.sampled_from(IDS), enabled=st.booleans(), until=st.one_of(st.none(), st.integers(1, 7200))
    )
    def switch(self, job_id: str, enabled: bool, until: int | None) -> None:
        end = self.clock.now() + timedelta(seconds=until) if until else None
        with contextlib.suppress(SauronError):
            Operations(self.store, self.clock)._switch(job_id, SwitchRequest(until=end), enabled=enabled)

    @rule(job_id=st.sampled_from(IDS), force=st.booleans())
    def trigger(self, job_id: str, force: bool) -> None:
        with contextlib.suppress(SauronError):
            self.asked.add(Operations(self.store, self.clock).trigger(job_id, TriggerRequest(force=force)).id)

    @rule()
    def claim(self) -> None:
        with self.store.write() as tx:
            run = claims.claim(tx, owner="me", now=self.clock.now()).run
        if run:
            self.held.append(run)
            key = (run.id, run.attempt)
            self.executed[key] = self.executed.get(key, 0) + 1

    @rule(outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT]))
    def finish(self, outcome: Outcome) -> None:
        if self.held:
            run = self.held.pop(0)
            again = outcome is not Outcome.SUCCEEDED and run.attempt < run.max_attempts
            now = self.clock.now()
            with self.store.write() as tx:
                retry_at = now + timedelta(seconds=60) if again else None
                finish.finish(tx, run, Verdict(outcome), owner="me", now=now, retry_at=retry_at)

    @rule()
    def crash(self) -> None:
        """The owner dies with all it holds; its file lock is free, so the next upkeep rescues at once."""
        from sqlalchemy import update

        from chalicelib.store.schema import job_queue

        self.owners += 1
        with self.store.write() as tx:
            mine = job_queue.c.lease_owner == "me"
            tx.execute(update(job_queue).where(mine).values(lease_owner=f"dead-{self.owners}"))
        self.store.close()
        self.store = Store(self.url)
        self.rescuer = Rescuer(
            self.store,
            self.clock,
            StandstillDetector(self.clock),
            owner="rescuer",
            gone=lambda owner: owner.startswith("dead"),
        )
        lost, self.held = self.held, []
        self.rescuer.rescue_gone()
        with self.store.read() as tx:
            for run in lost:
                after = history.run(tx, run.id)
                assert after
                assert after.state != "running"
                assert (after.state in UNFINISHED) == (run.attempt < run.max_attempts)
                assert history.attempts_of(tx, run.id)[-1].outcome is Outcome.INTERRUPTED

    @invariant()
    def every_occurrence_is_accounted_for(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            assert audit(tx, now=self.clock.now()).holes == ()

    @invariant()
    def no_attempt_is_started_twice_and_no_acknowledged_trigger_is_lost(self) -> None:
        if not hasattr(self, "store"):
            return
        assert set(self.executed.values()) <= {1}
        with self.store.read() as tx:
            assert all(history.run(tx, run_id) for run_id in self.asked)

    @invariant()
    def every_row_is_of_a_job_there_is_and_every_one_ahead_is_a_fire_time_of_it(self) -> None:
        if not hasattr(self, "store"):
            return
        now = self.clock.now()
        with self.store.read() as tx:
            jobs = {job.id: job for job in registry.all_jobs(tx, removed=True)}
            for run in history.runs(tx, states=tuple(UNFINISHED), limit=1000):
                assert run.job_id in jobs
                if run.fire_at is not None and run.fire_at > now and run.attempt == 0:
                    assert jobs[run.job_id].spec.schedule.matches(run.fire_at)

    @invariant()
    def the_state_is_never_half_a_revision(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            sha = bundle.state(tx).active_sha
            assert sha is None or int(sha, 16) <= len(self.manifests.revisions)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()
            if self.databases:
                self.databases.drop(str(self.store.url.database))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 40), ("postgresql", 8)])
def test_whatever_happens_in_any_order_the_ledger_stays_whole(
    kind: str, examples: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Ledger, "databases", request.getfixturevalue("databases") if kind == "postgresql" else None
    )
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            # a step there is slow
            phases=[phase for phase in Phase if kind == "sqlite" or phase is not Phase.shrink],
        ),
    )
