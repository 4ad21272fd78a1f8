from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.execution.rescue import LEASE_SECONDS, Rescuer, tidy
from chalicelib.model.runs import Outcome, Run, RunState
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store, history, runners
from chalicelib.store.queue import claims, leases
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

ON_A_SERVER = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
YEARLY = "0 0 1 1 *"


def running(store: Store, clock: ManualClock, owner: str, *, max_attempts: int = 3) -> Run:
    define(store, clock, "j", YEARLY, max_attempts=max_attempts)
    Operations(store, clock).trigger("j", TriggerRequest(force=True))
    with store.write() as tx:
        run = claims.claim(tx, owner=owner, now=clock.now()).run
    assert run
    return run


def at_once(_seconds: float) -> None:
    """Look again without waiting."""


def rescuer(store: Store, clock: ManualClock, *gone: str) -> Rescuer:
    return Rescuer(store, clock, owner="me", gone=lambda owner: owner in gone)


def now_of(store: Store, run: Run) -> Run:
    with store.read() as tx:
        found = history.run(tx, run.id)
    assert found
    return found


def test_a_run_whose_owner_is_certainly_gone_is_rescued_at_once(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    assert [one.id for one in rescuer(store, clock, "dead").rescue()] == [run.id]
    after = now_of(store, run)
    assert (after.state, after.due_at, after.error_type) == (RunState.QUEUED, clock.now(), "interrupted")
    with store.read() as tx:
        assert [attempt.outcome for attempt in history.attempts_of(tx, run.id)] == [Outcome.INTERRUPTED]


def test_a_lease_that_stands_still_for_its_whole_length_is_rescued_and_not_a_moment_earlier(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    assert watcher.rescue(wait=at_once) == []
    clock.move(seconds=LEASE_SECONDS - 1)
    assert watcher.rescue(wait=at_once) == []
    clock.move(seconds=1)
    assert [one.id for one in watcher.rescue(wait=at_once)] == [run.id]


@ON_A_SERVER
def test_a_rescuer_that_remembers_nothing_sees_that_a_lease_has_lapsed(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    clock.move(seconds=LEASE_SECONDS - 1)
    with store.write() as tx:
        leases.beat(tx, [run.id], owner="far-away", now=clock.now())
    clock.move(seconds=LEASE_SECONDS - 1)
    assert rescuer(store, clock).rescue(wait=at_once) == []
    clock.move(seconds=1)
    assert rescuer(store, clock).rescue() == []  # nobody is there who could look again
    assert [one.id for one in rescuer(store, clock).rescue(wait=at_once)] == [run.id]


@ON_A_SERVER
def test_an_owner_whose_server_was_away_has_the_time_to_renew_its_lease(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    clock.move(seconds=10 * LEASE_SECONDS)

    def renewed(_seconds: float) -> None:
        with store.write() as tx:
            leases.beat(tx, [run.id], owner="far-away", now=clock.now())

    assert rescuer(store, clock).rescue(wait=renewed) == []
    assert now_of(store, run).state is RunState.RUNNING


def test_a_lease_that_beats_is_never_rescued_whatever_the_wall_clock_does(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    for _ in range(10):
        clock.instant += timedelta(hours=1)
        clock.elapsed += LEASE_SECONDS - 1
        with store.write() as tx:
            leases.beat(tx, [run.id], owner="far-away", now=clock.now())
        assert watcher.rescue(wait=at_once) == []


def test_an_own_run_is_not_rescued_from_oneself(store: Store, clock: ManualClock) -> None:
    running(store, clock, "me")
    watcher = rescuer(store, clock, "me")
    clock.move(seconds=10 * LEASE_SECONDS)
    assert watcher.rescue(wait=at_once) == []


def test_an_own_lease_that_no_attempt_stands_behind_is_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "me")
    watcher = Rescuer(store, clock, owner="me", gone=lambda _owner: False, holds=lambda _run: False)
    assert watcher.rescue() == []
    clock.move(seconds=LEASE_SECONDS)
    assert [one.id for one in watcher.rescue(wait=at_once)] == [run.id]


def test_a_run_without_attempts_left_ends_failed_when_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead", max_attempts=1)
    rescuer(store, clock, "dead").rescue()
    assert (now_of(store, run).state, now_of(store, run).error_type) == (RunState.FAILED, "interrupted")


def test_a_run_that_was_being_cancelled_ends_cancelled_when_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    Operations(store, clock).cancel(run.id, by="ann")
    rescuer(store, clock, "dead").rescue()
    assert now_of(store, run).state is RunState.CANCELLED


def test_two_rescuers_end_an_attempt_once(store: Store, clock: ManualClock) -> None:
    running(store, clock, "dead")
    assert sum(len(rescuer(store, clock, "dead").rescue()) for _ in range(2)) == 1


def test_a_wait_that_was_cut_short_takes_nothing_over(store: Store, clock: ManualClock) -> None:
    running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    watcher.rescue(wait=at_once)
    clock.move(seconds=LEASE_SECONDS)
    if not store.sqlite:
        assert watcher.rescue(wait=lambda _seconds: True) == []
    assert len(watcher.rescue(wait=at_once)) == 1


def test_a_drained_runner_that_is_cut_off_is_still_drained_when_it_is_back(
    store: Store, clock: ManualClock
) -> None:
    def seen(name: str) -> None:
        with store.write() as tx:
            runners.runner_seen(tx, runners.Runner(name, "host", 1, "3.0.0", clock.now(), clock.now(), 0))

    seen("drained")
    seen("gone")
    with store.write() as tx:
        assert runners.drain(tx, "drained", draining=True)
    clock.move(hours=1)
    tidy(store, clock)
    seen("drained")
    with store.read() as tx:
        assert [(one.name, one.draining) for one in runners.all_runners(tx)] == [("drained", True)]
    clock.move(days=2)
    tidy(store, clock)
    with store.read() as tx:
        assert runners.all_runners(tx) == []
