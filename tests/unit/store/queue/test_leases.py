"""Leases: renewing and losing the right to execute, with several runs, owners and generations."""

from __future__ import annotations

import pytest

from chalicelib.model.runs import Origin, Outcome, Run, RunState, Verdict, new_run_id
from chalicelib.model.usage import Point, Usage, measured
from chalicelib.store import Store, history
from chalicelib.store.queue import claims, enqueue, finish, leases
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


def claimed(store: Store, clock: ManualClock, *owners: str) -> list[Run]:
    """Let each owner claim one run of a job whose runs may overlap."""
    define(store, clock, "j", "0 0 1 1 *", overlap="allow")
    runs = []
    for owner in owners:
        clock.move(seconds=1)
        row = {
            "id": new_run_id(),
            "job_id": "j",
            "state": RunState.QUEUED,
            "origin": Origin.TRIGGER,
            "max_attempts": 3,
            "created_at": clock.now(),
            "due_at": clock.now(),
        }
        with store.write() as tx:
            enqueue.put(tx, [row])
            run = claims.claim(tx, owner=owner, now=clock.now()).run
        assert run
        runs.append(run)
    return runs


def progress_of(store: Store, run: Run) -> tuple[float | None, str | None]:
    with store.read() as tx:
        found = history.run(tx, run.id)
    assert found
    return found.progress, found.progress_note


def test_progress_is_noted_for_the_run_that_made_it_and_no_other_of_its_owner(
    store: Store, clock: ManualClock
) -> None:
    one, other = claimed(store, clock, "me", "me")
    with store.write() as tx:
        leases.note_progress(tx, one, owner="me", fraction=0.5, note="half", now=clock.now())
    assert progress_of(store, one) == (0.5, "half")
    assert progress_of(store, other) == (None, None)


def test_progress_is_not_noted_for_another_owner_or_an_earlier_generation(
    store: Store, clock: ManualClock
) -> None:
    (run,) = claimed(store, clock, "me")
    older = type(run)(**{name: getattr(run, name) for name in run.__slots__} | {"lease_generation": 0})
    with store.write() as tx:
        leases.note_progress(tx, run, owner="other", fraction=0.5, note="half", now=clock.now())
        leases.note_progress(tx, older, owner="me", fraction=0.5, note="half", now=clock.now())
    assert progress_of(store, run) == (None, None)


def test_since_when_a_job_says_what_it_says_is_kept_until_it_runs_again(
    store: Store, clock: ManualClock
) -> None:
    (run,) = claimed(store, clock, "me")
    with store.write() as tx:
        leases.note_progress(tx, run, owner="me", fraction=0.5, note="half", now=clock.now())
        noted = history.run(tx, run.id)
        assert noted
        assert noted.progress_at == clock.now()
        finish.release(tx, run, owner="me")
        again = claims.claim(tx, owner="me", now=clock.now()).run
    assert again
    assert (again.progress, again.progress_at) == (None, None)


def usage_of(store: Store, run: Run) -> Usage | None:
    with store.read() as tx:
        [attempt] = history.attempts_of(tx, run.id)
    return attempt.usage


def test_what_an_attempt_uses_is_noted_for_it_alone_and_not_after_its_end(
    store: Store, clock: ManualClock
) -> None:
    one, other = claimed(store, clock, "me", "me")
    used = measured(None, Point(10, 45.2, 0.93), ("pg_dump", "a\ud800b\x00"))
    with store.write() as tx:
        leases.note_usage(tx, one, used, owner="me")
    stored = measured(None, Point(10, 45.2, 0.93), ("pg_dump", "a?b\ufffd"))
    assert (usage_of(store, one), usage_of(store, other)) == (stored, None)
    with store.write() as tx:
        done = Verdict(Outcome.SUCCEEDED)
        assert finish.finish(tx, one, done, owner="me", now=clock.now(), retry_at=None)
        leases.note_usage(tx, one, measured(used, Point(20, 1, 1), ()), owner="me")
    assert usage_of(store, one) == stored


def test_what_an_attempt_uses_is_not_noted_for_another_owner_or_an_earlier_generation(
    store: Store, clock: ManualClock
) -> None:
    (first,) = claimed(store, clock, "me")
    with store.write() as tx:
        finish.release(tx, first, owner="me")
        again = claims.claim(tx, owner="you", now=clock.now()).run
        assert again
        used = measured(None, Point(10, 45.2, 0.93), ())
        for owner, run in (("me", first), ("you", first), ("me", again)):
            leases.note_usage(tx, run, used, owner=owner)
    assert usage_of(store, again) is None


def test_a_note_is_stored_without_nul_and_not_longer_than_500_characters(
    store: Store, clock: ManualClock
) -> None:
    (run,) = claimed(store, clock, "me")
    with store.write() as tx:
        leases.note_progress(tx, run, owner="me", fraction=0.1, note="\x00" + "x" * 600, now=clock.now())
    assert progress_of(store, run) == (0.1, "\ufffd" + "x" * 499)


def test_a_heartbeat_renews_the_named_runs_of_its_owner_alone(store: Store, clock: ManualClock) -> None:
    named, unnamed, other = claimed(store, clock, "me", "me", "other")
    clock.move(seconds=5)
    with store.write() as tx:
        renewed = leases.heartbeat(tx, [named.id, other.id], owner="me", now=clock.now())
    assert [(one.run_id, one.beat, one.renewed_at) for one in renewed] == [(named.id, 1, clock.now())]
    with store.read() as tx:
        beats = {one.run_id: (one.beat, one.renewed_at) for one in leases.running(tx)}
    assert beats == {
        named.id: (1, clock.now()),
        unnamed.id: (0, unnamed.started_at),
        other.id: (0, other.started_at),
    }


def test_a_lease_that_was_renewed_meanwhile_is_not_held_any_more(store: Store, clock: ManualClock) -> None:
    run, _ = claimed(store, clock, "me", "me")
    with store.read() as tx:
        (seen,) = [one for one in leases.running(tx) if one.run_id == run.id]
    with store.write() as tx:
        held = leases.held(tx, seen)
        assert held
        assert held.id == run.id
        leases.heartbeat(tx, [run.id], owner="me", now=clock.now())
        assert leases.held(tx, seen) is None


def test_live_leases_are_counted_by_owner(store: Store, clock: ManualClock) -> None:
    claimed(store, clock, "me", "other", "me")
    with store.read() as tx:
        assert leases.count_by_owner(tx) == {"me": 2, "other": 1}
        assert [one.owner for one in leases.running(tx, owner="other")] == ["other"]
