"""The numbers by day against the rows of the runs themselves, counted in Python."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from chalicelib.model.runs import RunState
from chalicelib.store import Store, history, registry, run_days, run_pruning, run_totals
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.store.older import as_schema

pytestmark = pytest.mark.every_store

STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.SUCCEEDED, RunState.RUNNING)
Days = dict[tuple[date, str], int]


def fill(store: Store, now: datetime) -> None:
    """Runs of two jobs every seven hours for ten days, one of which is a gap of five."""
    for number in range(34):
        state = STATES[number % len(STATES)]
        at = now - timedelta(hours=7 * (number + 1))
        record(store, f"job-{number % 2}", state, at, seconds=20_000)
    begun = now - timedelta(days=2, hours=3)
    record(store, "job-0", RunState.MISSED, now - timedelta(days=2), gap_from=begun, gap_count=5)


def by_hand(store: Store, job_id: str, since: date) -> Days:
    counted: Days = {}
    with store.read() as tx:
        for run in history.runs(tx, job_id=job_id, limit=1000):
            if run.finished_at and run.finished_at.date() >= since:
                key = (run.finished_at.date(), str(run.state))
                counted[key] = counted.get(key, 0) + max(1, run.gap_count)
    return counted


def stored(store: Store, job_id: str, since: date) -> Days:
    with store.read() as tx:
        return {(day, state): count for day, state, count in run_days.of_job(tx, job_id, since=since)}


def fold(store: Store, most: int) -> None:
    with store.write() as tx:
        run_totals.fold(tx, most=most)


def test_days_are_the_same_before_during_and_after_folds_and_outlive_the_runs(
    store: Store, clock: ManualClock
) -> None:
    fill(store, clock.now())
    since = (clock.now() - timedelta(days=6)).date()
    expected = {job_id: by_hand(store, job_id, since) for job_id in ("job-0", "job-1")}
    assert (date(2026, 2, 28), "missed") in expected["job-0"]
    assert all(len(days) > 5 for days in expected.values())
    for most in (0, 11, 1000):
        fold(store, most)
        assert {job_id: stored(store, job_id, since) for job_id in expected} == expected
    with store.read() as tx:
        counted = run_days.counts(tx, ["job-0", "job-1", "nobody"], since=since)
    for job_id, days in expected.items():
        total = Counter[str]()
        for (_, state), count in days.items():
            total[state] += count
        assert counted[job_id] == total
    assert counted["nobody"] == {}
    with store.write() as tx:
        run_pruning.prune(tx, before=clock.now() + timedelta(days=1), most=100)
    assert stored(store, "job-0", since) == expected["job-0"]
    with store.write() as tx:
        run_days.prune(tx, before=date(2026, 2, 28))
    assert min(day for day, _ in stored(store, "job-0", since)) == date(2026, 2, 28)


def test_a_renamed_job_keeps_its_days_those_that_wait_too(store: Store, clock: ManualClock) -> None:
    define(store, clock, "old", "0 0 1 1 *")
    record(store, "old", RunState.SUCCEEDED, clock.now() - timedelta(days=1))
    fold(store, 100)
    record(store, "old", RunState.SUCCEEDED, clock.now() - timedelta(days=1, hours=1))
    with store.write() as tx:
        registry.rename(tx, "old", "new")
    assert stored(store, "new", date(2026, 1, 1)) == {(date(2026, 3, 1), "succeeded"): 2}
    assert stored(store, "old", date(2026, 1, 1)) == {}


def test_runs_that_ended_before_there_were_days_are_counted_once(store: Store, clock: ManualClock) -> None:
    fill(store, clock.now())
    fold(store, 13)  # the other ends still wait to be added
    before = {job_id: by_hand(store, job_id, date(2026, 1, 1)) for job_id in ("job-0", "job-1")}
    with store.write() as tx:
        as_schema(store, tx, "0010")
    store.migrate()
    for most in (0, 1000):
        fold(store, most)
        assert {job_id: stored(store, job_id, date(2026, 1, 1)) for job_id in before} == before
