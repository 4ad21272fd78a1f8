from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.execution.rescue import (
    LEASE_SECONDS,
    SECOND_LOOK_SECONDS,
    Detector,
    ExpiryDetector,
    Rescuer,
    StandstillDetector,
)
from chalicelib.execution.running_attempts import HEARTBEAT_SECONDS
from chalicelib.model.runs import Outcome, Run, RunState
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store, history, outbox
from chalicelib.store.queue import claims, leases
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

ON_A_SERVER = pytest.mark.parametrize(
    "store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
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


def detector(store: Store, clock: ManualClock) -> Detector:
    return StandstillDetector(clock) if store.sqlite else ExpiryDetector(store, clock)


def rescuer(store: Store, clock: ManualClock, *gone: str, **more: Any) -> Rescuer:
    return Rescuer(store, clock, detector(store, clock), owner="me", gone=lambda owner: owner in gone, **more)


def now_of(store: Store, run: Run) -> Run:
    with store.read() as tx:
        found = history.run(tx, run.id)
    assert found
    return found


def test_a_run_whose_owner_is_certainly_gone_is_rescued_at_once(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    assert [one.id for one in rescuer(store, clock, "dead").rescue_gone()] == [run.id]
    after = now_of(store, run)
    assert (after.state, after.due_at, after.error_type) == (RunState.QUEUED, clock.now(), "interrupted")
    with store.read() as tx:
        assert [attempt.outcome for attempt in history.attempts_of(tx, run.id)] == [Outcome.INTERRUPTED]


def test_a_lease_that_stands_still_for_its_whole_length_is_rescued_and_not_a_moment_earlier(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    assert watcher.rescue_dead(at_once) == []
    clock.move(seconds=LEASE_SECONDS - 1)
    assert watcher.rescue_dead(at_once) == []
    clock.move(seconds=1)
    assert [one.id for one in watcher.rescue_dead(at_once)] == [run.id]


@pytest.mark.process
@ON_A_SERVER
def test_a_rescuer_that_remembers_nothing_sees_that_a_lease_has_lapsed(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    clock.move(seconds=LEASE_SECONDS - 1)
    with store.write() as tx:
        leases.heartbeat(tx, [run.id], owner="far-away", now=clock.now())
    clock.move(seconds=LEASE_SECONDS - 1)
    assert rescuer(store, clock).rescue_dead(at_once) == []
    clock.move(seconds=1)
    assert rescuer(store, clock).rescue_gone() == []  # it is not certainly gone
    assert [one.id for one in rescuer(store, clock).rescue_dead(at_once)] == [run.id]


@ON_A_SERVER
def test_an_owner_whose_server_was_away_has_the_time_to_renew_its_lease(
    store: Store, clock: ManualClock
) -> None:
    run = running(store, clock, "far-away")
    clock.move(seconds=10 * LEASE_SECONDS)

    def renewed(_seconds: float) -> None:
        with store.write() as tx:
            leases.heartbeat(tx, [run.id], owner="far-away", now=clock.now())

    assert rescuer(store, clock).rescue_dead(renewed) == []
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
            leases.heartbeat(tx, [run.id], owner="far-away", now=clock.now())
        assert watcher.rescue_dead(at_once) == []


def test_an_own_run_is_not_rescued_from_oneself(store: Store, clock: ManualClock) -> None:
    running(store, clock, "me")
    watcher = rescuer(store, clock, "me")
    clock.move(seconds=10 * LEASE_SECONDS)
    assert watcher.rescue_dead(at_once) == []


def test_an_own_lease_that_no_attempt_stands_behind_is_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "me")
    watcher = rescuer(store, clock, holds=lambda _run: False)
    assert watcher.rescue_dead(at_once) == []
    clock.move(seconds=LEASE_SECONDS)
    assert [one.id for one in watcher.rescue_dead(at_once)] == [run.id]


def test_a_run_without_attempts_left_ends_failed_when_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead", max_attempts=1)
    rescuer(store, clock, "dead").rescue_gone()
    assert (now_of(store, run).state, now_of(store, run).error_type) == (RunState.FAILED, "interrupted")


def test_a_run_that_was_being_cancelled_ends_cancelled_when_rescued(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    Operations(store, clock).cancel(run.id, by="ann")
    rescuer(store, clock, "dead").rescue_gone()
    assert now_of(store, run).state is RunState.CANCELLED


def test_two_rescuers_end_an_attempt_once(store: Store, clock: ManualClock) -> None:
    running(store, clock, "dead")
    assert sum(len(rescuer(store, clock, "dead").rescue_gone()) for _ in range(2)) == 1


def test_a_wait_that_was_cut_short_takes_nothing_over(store: Store, clock: ManualClock) -> None:
    running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    watcher.rescue_dead(at_once)
    clock.move(seconds=LEASE_SECONDS)
    if not store.sqlite:
        assert watcher.rescue_dead(lambda _seconds: True) == []
    assert len(watcher.rescue_dead(at_once)) == 1


@ON_A_SERVER
def test_the_second_look_comes_after_longer_than_a_heartbeat_and_only_if_a_lease_has_lapsed(
    store: Store, clock: ManualClock
) -> None:
    running(store, clock, "far-away")
    waited: list[float] = []
    assert rescuer(store, clock).rescue_dead(waited.append) == []
    assert waited == []
    clock.move(seconds=LEASE_SECONDS)
    assert len(rescuer(store, clock).rescue_dead(waited.append)) == 1
    assert waited == [SECOND_LOOK_SECONDS]
    assert SECOND_LOOK_SECONDS > HEARTBEAT_SECONDS


def test_a_cancellation_does_not_count_as_a_sign_of_life(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "far-away")
    watcher = rescuer(store, clock)
    assert watcher.rescue_dead(at_once) == []
    clock.move(seconds=LEASE_SECONDS)
    Operations(store, clock).cancel(run.id, by="ann")
    assert [one.id for one in watcher.rescue_dead(at_once)] == [run.id]
    assert now_of(store, run).state is RunState.CANCELLED


def outbox_facts(store: Store) -> list[tuple[str, str]]:
    with store.read() as tx:
        rows = [entry.facts for entry in outbox.waiting(tx, 10) if entry.kind is outbox.RowKind.ATTEMPT]
    return [(facts["run_id"], facts["outcome"]) for facts in rows if facts]


def test_a_rescued_attempt_reaches_life_hub_once(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    rescuer(store, clock, "dead", publish=True).rescue_gone()
    assert outbox_facts(store) == [(run.id, "interrupted")]
    rescuer(store, clock, "dead", publish=True).rescue_gone()
    assert len(outbox_facts(store)) == 1


def test_without_life_hub_a_rescue_leaves_nothing_in_the_outbox(store: Store, clock: ManualClock) -> None:
    running(store, clock, "dead")
    assert len(rescuer(store, clock, "dead").rescue_gone()) == 1
    assert outbox_facts(store) == []


def test_a_lease_that_was_renewed_since_it_was_read_is_left_alone(store: Store, clock: ManualClock) -> None:
    run = running(store, clock, "dead")
    with store.read() as tx:
        before = leases.running(tx)
    with store.write() as tx:
        leases.heartbeat(tx, [run.id], owner="dead", now=clock.now())
    assert rescuer(store, clock, "dead", publish=True).rescue(before) == []
    assert now_of(store, run).state is RunState.RUNNING
    assert outbox_facts(store) == []
