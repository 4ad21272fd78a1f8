from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.answers.timelines import Timeline, timelines
from chalicelib.model.runs import RunState
from chalicelib.store import Store, past_runs
from tests.conftest import ManualClock, define
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store


def of(store: Store, clock: ManualClock, cron: str = "0 3 * * *") -> Timeline:
    job = define(store, clock, "job", cron)
    with store.read() as tx:
        return timelines(tx, [job], past_runs.running(tx), now=clock.now())[job.id]


def test_every_run_of_the_last_day_has_its_mark_and_none_before(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    record(store, "job", RunState.SUCCEEDED, now - timedelta(hours=25))
    ran = record(store, "job", RunState.FAILED, now - timedelta(hours=9), seconds=90, error="no room")
    record(
        store,
        "job",
        RunState.MISSED,
        now - timedelta(hours=4),
        gap_from=now - timedelta(hours=6),
        gap_count=3,
        reason="Sauron was down",
    )
    record(store, "job", RunState.RUNNING, now - timedelta(minutes=5))
    record(store, "another", RunState.FAILED, now - timedelta(hours=1))
    failed, missed, running = of(store, clock).marks
    assert (failed.state, failed.run_id, failed.why) == ("failed", ran, "no room")
    assert failed.end - failed.begin == timedelta(seconds=90)
    assert (missed.state, missed.count, missed.why) == ("missed", 3, "Sauron was down")
    assert (now - missed.begin, now - missed.end) == (timedelta(hours=6), timedelta(hours=4))
    assert (running.state, now - running.begin, running.end) == ("running", timedelta(minutes=5), now)


def test_many_good_runs_are_a_band_and_the_others_stay(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    for number in range(121):
        record(store, "job", RunState.SUCCEEDED, now - timedelta(minutes=number + 1), seconds=1)
    assert [mark.state for mark in of(store, clock).marks] == []
    record(store, "job", RunState.FAILED, now - timedelta(hours=5))
    found = of(store, clock)
    assert [mark.state for mark in found.marks] == ["failed"]
    first, last = now - timedelta(hours=5) + timedelta(seconds=10), now - timedelta(seconds=59)
    assert found.band == (first, last)  # the job has no longer past


@pytest.mark.parametrize(
    ("cron", "count", "dense"),
    [("0 3 * * *", 1, False), ("*/15 * * * *", 96, False), ("*/5 * * * *", 2, True), ("0 3 1 1 *", 0, False)],
)
def test_what_comes_in_the_next_day(
    store: Store, clock: ManualClock, cron: str, count: int, dense: bool
) -> None:
    found = of(store, clock, cron)
    assert (len(found.coming), found.dense) == (count, dense)
    assert all(clock.now() < at <= clock.now() + timedelta(hours=24) for at in found.coming)


def test_the_usual_duration_is_the_median_of_good_runs(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    for number, seconds in enumerate((10, 20)):
        record(store, "job", RunState.SUCCEEDED, now - timedelta(hours=number + 1), seconds=seconds)
    assert of(store, clock).usual_seconds is None  # too short to be drawn
    record(store, "job", RunState.SUCCEEDED, now - timedelta(hours=5), seconds=600)
    record(store, "job", RunState.FAILED, now - timedelta(hours=8), seconds=5000)
    assert of(store, clock).usual_seconds == 20
