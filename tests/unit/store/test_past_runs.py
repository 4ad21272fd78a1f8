"""What pages draw of runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.model.runs import RunState
from chalicelib.store import Store, past_runs
from chalicelib.store.past_runs import Crowd
from tests.conftest import ManualClock, define
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store


def test_the_last_state_is_that_of_the_run_that_started_last(store: Store, clock: ManualClock) -> None:
    for job_id in ("a", "b", "never"):
        define(store, clock, job_id, "0 0 1 1 *")
    now = clock.now()
    record(store, "a", RunState.FAILED, now - timedelta(hours=3))
    record(store, "a", RunState.DEGRADED, now - timedelta(hours=2))
    record(store, "a", RunState.SKIPPED, now - timedelta(hours=1))
    record(store, "b", RunState.RUNNING, now - timedelta(hours=1))
    with store.read() as tx:
        assert past_runs.last_states(tx, ["a", "b", "never"]) == {"a": "degraded", "b": "running"}
        assert past_runs.last_states(tx, ["a"]) == {"a": "degraded"}
        assert past_runs.last_states(tx, ["never"]) == {}
        assert past_runs.running_or_degraded(tx) == {"a", "b"}


def test_a_crowd_is_counted_up_to_a_limit(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    for job_id, runs in (("a", 2), ("b", 5), ("old", 0)):
        define(store, clock, job_id, "0 0 1 1 *")
        for number in range(runs):
            record(store, job_id, RunState.SUCCEEDED, now - timedelta(minutes=number + 1), seconds=0)
    record(store, "old", RunState.SUCCEEDED, now - timedelta(hours=25))
    with store.read() as tx:
        found = past_runs.crowds(tx, ["a", "b", "old"], since=now - timedelta(hours=24), most=3)
    ago = [now - timedelta(minutes=minutes) for minutes in (0, 1, 2, 5)]
    assert found == {"a": Crowd(2, ago[2], ago[1]), "b": Crowd(3, ago[3], ago[1])}


def test_the_seconds_of_good_runs_are_those_among_the_newest_ended_ones(
    store: Store, clock: ManualClock
) -> None:
    now = clock.now()
    for job_id in ("a", "b"):
        define(store, clock, job_id, "0 0 1 1 *")
    states = (RunState.SUCCEEDED, RunState.FAILED, RunState.DEGRADED, RunState.SKIPPED)
    for number, state in enumerate(states):
        record(store, "a", state, now - timedelta(hours=number + 1), seconds=10.25 + number)
    record(store, "a", RunState.SUCCEEDED, now - timedelta(hours=9), seconds=99)
    record(store, "a", RunState.RUNNING, now)
    with store.read() as tx:
        found = past_runs.good_seconds_of(tx, ["a", "b"], most=4)
    assert found == {"a": [10.25, 12.25], "b": []}


def test_failures_in_a_row_are_counted_up_to_a_limit(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    for number, state in enumerate((RunState.FAILED, RunState.SKIPPED, RunState.TIMED_OUT, RunState.FAILED)):
        record(store, "a", state, now - timedelta(hours=number), seconds=0)
    with store.read() as tx:
        counts = [
            past_runs.bad_in_a_row(tx, "a", since=since, most=most)
            for since, most in ((None, 9), (None, 2), (now - timedelta(hours=2.5), 9), (now, 9))
        ]
    assert counts == [3, 2, 2, 0]
