from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from chalicelib.answers.job_history import job_history
from chalicelib.model.runs import RunState
from chalicelib.store import Store
from tests.conftest import ManualClock
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_day_is_its_worst_run_and_a_gap_counts_in_full(store: Store) -> None:
    first = NOW - timedelta(days=2)
    for hours, state in enumerate((RunState.SUCCEEDED, RunState.DEGRADED, RunState.SKIPPED)):
        record(store, "job", state, first + timedelta(hours=hours))
    record(
        store,
        "job",
        RunState.MISSED,
        NOW - timedelta(days=1),
        gap_from=NOW - timedelta(days=1, hours=3),
        gap_count=4,
    )
    record(store, "job", RunState.SUCCEEDED, NOW - timedelta(days=40))
    record(store, "job", RunState.FAILED, NOW - timedelta(days=400))
    record(store, "another", RunState.FAILED, NOW)
    with store.read() as tx:
        found = job_history(tx, "job", now=NOW)
    assert found.days == {
        date(2026, 1, 21): RunState.SUCCEEDED,
        date(2026, 2, 28): RunState.DEGRADED,
        date(2026, 3, 1): RunState.MISSED,
    }
    assert found.counts == {"succeeded": 2, "degraded": 1, "skipped": 1, "missed": 4}
    assert (found.good, found.judged, found.skipped, found.missed) == (2, 2, 1, 4)


def test_what_is_usual_goes_by_the_good_runs(store: Store) -> None:
    for number in range(19):
        record(store, "job", RunState.SUCCEEDED, NOW - timedelta(hours=number + 2), seconds=10 + number)
    record(store, "job", RunState.TIMED_OUT, NOW - timedelta(hours=1), seconds=300)
    with store.read() as tx:
        found = job_history(tx, "job", now=NOW).durations
    assert [found.usual, found.low, found.high] == pytest.approx([19, 10.9, 27.1])
    assert [run.state for run in found.runs][-1] == "timed_out"
    assert len(found.runs) == 20


def test_a_job_without_runs_has_nothing_to_show(store: Store, clock: ManualClock) -> None:
    with store.read() as tx:
        found = job_history(tx, "job", now=clock.now())
    assert (found.days, found.judged, found.durations.usual) == ({}, 0, None)
