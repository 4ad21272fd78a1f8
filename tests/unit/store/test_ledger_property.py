"""Ticks, syncs, switches, runs and crashes in any order: the audit stays clean and nothing runs twice."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, update

from chalicelib.answers.audit import audit
from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.sync import rollback, sync
from chalicelib.cron.schedule import Schedule
from chalicelib.errors import SauronError
from chalicelib.execution.rescue import Rescuer, StandstillDetector
from chalicelib.model.jobs import Job
from chalicelib.model.occurrences import HORIZON
from chalicelib.model.runs import UNFINISHED, JobId, Outcome, Run, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, bundle, history, registry
from chalicelib.store.queue import claims, finish
from chalicelib.store.schema import job_queue
from tests.conftest import Databases, ManualClock, job_record
from tests.properties import examples

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

    followed = "main"

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def fetch(self, ref: str | None) -> str:
        return ref or f"{len(self.revisions):040x}"

    def load(self, sha: str) -> Loaded:
        manifest = self.revisions[int(sha, 16) - 1]
        return Loaded([job_record(job_id, **fields) for job_id, fields in manifest.items()], [])

    def retire(self, keep: Collection[str]) -> None:
        pass


@dataclass
class Span:
    """A time during which a job was on with one schedule; `until` is None while it is."""

    schedule: Schedule
    since: datetime
    until: datetime | None = None


class Model:
    """What has been in force, noted by one who sees the jobs after each act and nothing else of the store."""

    def __init__(self) -> None:
        self.spans: dict[JobId, list[Span]] = {}
        self.seen: dict[JobId, Job] = {}

    def note(self, jobs: Iterable[Job], *, at: datetime) -> None:
        """Take note of the jobs as they are after an act at an instant."""
        now = {job.id: job for job in jobs}
        for new in now.values():
            old = new.spec.renamed_from
            if new.id not in self.seen and old in self.seen and old not in now:
                self.seen[new.id] = self.seen.pop(old)
                self.spans[new.id] = self.spans.pop(old, [])
        for job_id, job in now.items():
            before, spans = self.seen.get(job_id), self.spans.setdefault(job_id, [])
            ended = before.override.until if before and before.override and not job.override else None
            act = min(ended, at) if ended else at  # an override that ended did so at its own time
            on = job.enabled and job.removed_at is None
            schedule = job.spec.schedule
            current = spans[-1] if spans and spans[-1].until is None else None
            if current and (not on or current.schedule != schedule):
                current.until = max(act, current.since)
                current = None
            if on and current is None:
                spans.append(Span(schedule, act))
        self.seen = now

    def fire_times(self, job_id: JobId, *, until: datetime) -> list[datetime]:
        """Return every fire time of what was in force up to an instant."""
        return [
            fire_at
            for span in self.spans[job_id]
            for fire_at in span.schedule.between(span.since, min(span.until or until, until))
        ]

    def was_on(self, job_id: JobId, fire_at: datetime) -> bool:
        """Say if an occurrence may exist: a tick looks ahead, so one may be of a time just after an end."""
        return any(
            span.since < fire_at and (span.until is None or fire_at <= span.until + HORIZON)
            for span in self.spans[job_id]
        )


class Ledger(RuleBasedStateMachine):
    """Drives the duties on a real store against a clock that only the machine moves."""

    def __init__(self, databases: Databases | None, empty_store: Path) -> None:
        super().__init__()
        self.databases = databases  # of PostgreSQL; None: an SQLite file
        self.empty_store = empty_store

    @initialize(manifest=jobs)
    def begin(self, manifest: Mapping[str, Mapping[str, Any]]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        if self.databases:
            self.url = self.databases.make()
        else:
            shutil.copy(self.empty_store, f"{self.folder.name}/store.sqlite3")
            self.url = f"sqlite:///{self.folder.name}/store.sqlite3"
        self.store = Store(self.url)
        self.model = Model()
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
        self.sync(manifest, accept=True)
        self.tick()

    @rule(manifest=jobs, accept=st.booleans())
    def sync(self, manifest: Mapping[str, Mapping[str, Any]], accept: bool) -> None:
        self.manifests.revisions.append(manifest)
        sync(self.store, self.clock, self.manifests, accept_removals=accept)
        self.note()

    @rule(index=st.integers(0, 10))
    def rollback(self, index: int) -> None:
        with contextlib.suppress(SauronError):
            rollback(self.store, self.clock, self.manifests, f"{index:040x}")
        self.note()

    def note(self) -> None:
        with self.store.read() as tx:
            self.model.note(registry.all_jobs(tx, removed=True), at=self.clock.now())

    @rule()
    def tick(self) -> None:
        """After a tick each fire time of what was in force is in the ledger once, and nothing else is."""
        tick(self.store, self.clock)
        self.note()
        now = self.clock.now()
        with self.store.read() as tx:
            report = audit(tx, now=now)
            rows = tx.execute(
                select(job_queue.c.job_id, job_queue.c.fire_at, job_queue.c.gap_from, job_queue.c.gap_count)
                .where(job_queue.c.fire_at.is_not(None))
                .order_by(job_queue.c.fire_at)
            ).all()
        assert report.holes == ()
        assert report.occurrences == sum(
            len(self.model.fire_times(job_id, until=now)) for job_id in self.model.spans
        )
        for job_id in self.model.spans:
            ours = [(fire_at, first, count) for job, fire_at, first, count in rows if job == job_id]
            singles = [fire_at for fire_at, first, _ in ours if first is None]
            gaps = [(first, fire_at, count) for fire_at, first, count in ours if first is not None]
            due = self.model.fire_times(job_id, until=now)
            alone = [fire_at for fire_at in due if not any(first <= fire_at <= end for first, end, _ in gaps)]
            assert set(alone) <= set(singles)
            assert [count for *_, count in gaps] == [
                bisect_right(due, end) - bisect_left(due, first) for first, end, _ in gaps
            ]
            for fire_at in singles:
                assert self.model.was_on(job_id, fire_at)

    @rule(seconds=st.integers(1, 90))
    def a_little_later(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)

    @rule(minutes=st.integers(1, 60))
    def the_clock_ticks_on(self, minutes: int) -> None:
        self.clock.move(minutes=minutes)
        self.tick()

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
        self.note()

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
            self.tick()
            self.store.close()
            self.folder.cleanup()
            if self.databases:
                self.databases.drop(str(self.store.url.database))


@pytest.mark.slow
@pytest.mark.properties
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param("sqlite", examples(20, 40), id="sqlite"),
        pytest.param("postgresql", examples(4, 8), id="postgresql", marks=pytest.mark.postgresql),
    ],
)
def test_whatever_happens_in_any_order_the_ledger_stays_whole(
    kind: str, count: int, request: pytest.FixtureRequest, empty_store: Path
) -> None:
    databases = request.getfixturevalue("databases") if kind == "postgresql" else None
    run_state_machine_as_test(
        lambda: Ledger(databases, empty_store),  # type: ignore[arg-type]
        settings=settings(
            max_examples=count,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            # a step there is slow
            phases=[phase for phase in Phase if kind == "sqlite" or phase is not Phase.shrink],
        ),
    )
