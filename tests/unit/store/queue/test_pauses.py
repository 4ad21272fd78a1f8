"""A pause of everything: what is skipped, what waits, and what starts all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.errors import PausedError, UntilError
from chalicelib.model.runs import RunState
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history
from chalicelib.store.queue import claims, pauses
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


def claim_all(store: Store, clock: ManualClock) -> list[str]:
    """Claim until nothing more is decided or started; return the jobs that started."""
    started: list[str] = []
    while True:
        with store.write() as tx:
            claim = claims.claim(tx, owner="me", now=clock.now())
        if claim.run is None:
            return started
        started.append(claim.run.job_id)


def states(store: Store, job_id: str) -> list[tuple[RunState, str | None]]:
    with store.read() as tx:
        return [(run.state, run.reason) for run in reversed(history.runs(tx, job_id=job_id))]


def test_occurrences_are_skipped_acknowledged_triggers_wait_and_forced_ones_start(
    store: Store, clock: ManualClock
) -> None:
    for job_id in ("minutely", "asked", "forced"):
        define(store, clock, job_id, "* * * * *" if job_id == "minutely" else "0 0 1 1 *")
    operations = Operations(store, clock)
    operations.trigger("asked")
    operations.pause(SwitchRequest("upgrade", by="ann"))
    operations.trigger("forced", TriggerRequest(force=True))
    for refused in (operations.trigger, lambda job: operations.check_trigger(job, TriggerRequest())):
        with pytest.raises(PausedError, match=r"by ann \(upgrade\)"):
            refused("asked")
    clock.move(seconds=60)
    tick(store, clock)
    assert claim_all(store, clock) == ["forced"]
    assert states(store, "minutely")[0] == (RunState.SKIPPED, "paused")
    assert operations.unpause(by="ann")
    assert not operations.unpause()
    assert claim_all(store, clock) == ["asked"]


def test_an_occurrence_of_a_pause_is_skipped_also_if_a_worker_looks_after_it(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "minutely")
    operations = Operations(store, clock)
    operations.pause(SwitchRequest(until=clock.now() + timedelta(seconds=90)))
    tick(store, clock)
    clock.move(seconds=120)
    tick(store, clock)
    assert claim_all(store, clock) == ["minutely"]
    assert [state for state, _ in states(store, "minutely")][:2] == [RunState.SKIPPED, RunState.RUNNING]


def test_a_second_pause_replaces_the_first_and_a_past_end_is_refused(
    store: Store, clock: ManualClock
) -> None:
    operations = Operations(store, clock)
    operations.pause(SwitchRequest("first", by="ann"))
    clock.move(seconds=5)
    with pytest.raises(UntilError):
        operations.pause(SwitchRequest(until=clock.now()))
    second = operations.pause(SwitchRequest("second", clock.now() + timedelta(hours=1), "bob"))
    with store.read() as tx:
        assert pauses.in_force(tx, clock.now()) == pauses.at(tx, clock.now()) == second
        assert pauses.in_force(tx, clock.now() + timedelta(hours=1)) is None
        assert pauses.at(tx, clock.now() + timedelta(hours=1)) is None
        first = pauses.at(tx, clock.now() - timedelta(seconds=1))
        assert first is not None
        assert first.reason == "first"


def test_a_runner_whose_clock_is_behind_obeys_a_pause_and_its_end_at_once(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "asked", "0 0 1 1 *")
    behind = ManualClock(clock.now())
    Operations(store, behind).trigger("asked")
    clock.move(seconds=1)
    here, there = Operations(store, clock), Operations(store, behind)
    here.pause(SwitchRequest("upgrade"))
    with pytest.raises(PausedError):
        there.trigger("asked")
    assert claim_all(store, behind) == []
    assert here.unpause()
    assert there.trigger("asked")
    assert claim_all(store, behind) == ["asked"]


def test_a_pause_holds_and_can_be_ended_after_the_clock_was_set_back(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "asked", "0 0 1 1 *")
    operations = Operations(store, clock)
    operations.pause(SwitchRequest("upgrade"))
    clock.move(seconds=-60)
    with pytest.raises(PausedError):
        operations.trigger("asked")
    assert operations.unpause()
    assert not operations.unpause()
    clock.move(seconds=120)
    assert operations.trigger("asked")
