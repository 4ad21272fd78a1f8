"""The totals against the rows of the runs themselves, counted in Python."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from chalicelib.model.runs import OCCURRENCES, Origin, Outcome, RunState, Verdict, new_run_id
from chalicelib.store import Store, history, registry, run_pruning, run_totals, schema
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, enqueue, finish
from tests.conftest import ManualClock, define
from tests.unit.store.older import as_schema

pytestmark = pytest.mark.every_store


def queued(tx: Tx, now: datetime, job_id: str, **fields: Any) -> str:
    row = {
        "id": new_run_id(),
        "job_id": job_id,
        "state": RunState.QUEUED,
        "origin": Origin.SCHEDULE,
        "max_attempts": 3,
        "created_at": now,
        "due_at": now,
        "finished_at": None,
        "gap_count": 0,
    } | fields
    row["fire_at"] = row["due_at"] if row["origin"] in OCCURRENCES else None
    enqueue.put(tx, [row])
    return str(row["id"])


def run(
    store: Store, clock: ManualClock, job_id: str, outcome: str, *, late: float = 0, seconds: float = 1
) -> None:
    with store.write() as tx:
        queued(tx, clock.now(), job_id, origin=Origin.TRIGGER)
    clock.move(seconds=late)
    attempt(store, clock, outcome, seconds=seconds)


def attempt(store: Store, clock: ManualClock, outcome: str, *, seconds: float, again: bool = False) -> None:
    with store.write() as tx:
        taken = claims.claim(tx, owner="me", now=clock.now()).run
        assert taken
    now = clock.move(seconds=seconds)
    with store.write() as tx:
        retry_at = now if again else None
        verdict = Verdict(Outcome(outcome))
        assert finish.finish(tx, taken, verdict, owner="me", now=now, retry_at=retry_at)


def every_way_to_end(store: Store, clock: ManualClock) -> None:
    for job_id in ("a", "b", "off"):
        define(store, clock, job_id, "0 0 1 1 *", enabled=job_id != "off")
    for outcome in ("succeeded", "succeeded", "degraded", "timed_out", "cancelled", "interrupted"):
        run(store, clock, "a", outcome)
    with store.write() as tx:  # tried twice
        queued(tx, clock.now(), "b")
    attempt(store, clock, "failed", seconds=4, again=True)
    attempt(store, clock, "failed", seconds=4)
    with store.write() as tx:
        gap = {"state": RunState.MISSED, "finished_at": clock.now(), "gap_count": 5}
        queued(tx, clock.now(), "b", **gap, gap_from=clock.now() - timedelta(hours=1))
        off = queued(tx, clock.now(), "off", due_at=clock.now() - timedelta(seconds=1))
        assert [one.run_id for one in claims.claim(tx, owner="me", now=clock.now()).decided] == [off]
        waits = queued(tx, clock.now(), "b", origin=Origin.TRIGGER)
        assert finish.request_cancel(tx, history.run(tx, waits).id, why="no", now=clock.now())  # type: ignore[union-attr]
        queued(tx, clock.now(), "b", origin=Origin.TRIGGER)  # it did not end


def rows(tx: Tx) -> dict[tuple[str, str], int]:
    """What the runs themselves say."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in history.runs(tx, limit=10_000):
        if one.finished_at:
            counted[one.job_id, one.state] += max(1, one.gap_count)
    return dict(counted)


def totals(store: Store) -> dict[tuple[str, str], int]:
    with store.read() as tx:
        return {key: runs for key, (runs, _) in run_totals.counts(tx).items()}


def fold(store: Store, most: int = 100) -> int:
    with store.write() as tx:
        return run_totals.fold(tx, most=most)


def test_every_way_in_which_a_run_ends_is_counted_once(store: Store, clock: ManualClock) -> None:
    every_way_to_end(store, clock)
    with store.read() as tx:
        expected = rows(tx)
    assert expected == {
        ("a", "succeeded"): 2,
        ("a", "degraded"): 1,
        ("a", "timed_out"): 1,
        ("a", "cancelled"): 1,
        ("a", "failed"): 1,
        ("b", "failed"): 1,
        ("b", "missed"): 5,
        ("b", "cancelled"): 1,
        ("off", "skipped"): 1,
    }
    assert totals(store) == expected


def test_totals_are_the_same_before_during_and_after_folds_and_fall_with_no_deleted_run(
    store: Store, clock: ManualClock
) -> None:
    every_way_to_end(store, clock)
    before = totals(store)
    with store.read() as tx:
        timed = run_totals.timings(tx)
    assert [fold(store, most=4) for _ in range(4)] == [4, 4, 2, 0]
    assert totals(store) == before
    with store.read() as tx:
        assert run_totals.timings(tx) == timed
        assert tx.execute(select(func.count()).select_from(schema.run_ends)).scalar() == 0
    with store.write() as tx:
        assert run_pruning.prune(tx, before=clock.now() + timedelta(days=1), most=100) == 10
    assert totals(store) == before
    with store.write() as tx:  # the trigger that still waits
        assert claims.claim(tx, owner="me", now=clock.now()).run
    run(store, clock, "a", "succeeded")
    fold(store)
    assert totals(store) == before | {("a", "succeeded"): 3}


def test_an_end_that_is_rolled_back_or_repeated_is_not_counted(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    with store.write() as tx:
        queued(tx, clock.now(), "a")
        taken = claims.claim(tx, owner="me", now=clock.now()).run
    assert taken
    verdict = Verdict(Outcome.SUCCEEDED)
    with store.write() as tx:
        assert finish.finish(tx, taken, verdict, owner="me", now=clock.now(), retry_at=None)
        tx.rollback()
    assert totals(store) == {}
    for held in (True, False):
        with store.write() as tx:
            assert finish.finish(tx, taken, verdict, owner="me", now=clock.now(), retry_at=None) is held
    with store.write() as tx:  # a second row for one occurrence does nothing
        gap = {"state": RunState.MISSED, "finished_at": clock.now()}
        queued(tx, clock.now(), "a", **gap)
    assert totals(store) == {("a", "succeeded"): 1}


def test_histograms_hold_how_long_runs_took_and_how_late_first_attempts_began(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    for late, seconds in ((0, 0.05), (0.2, 1), (2, 1.5), (4000, 50_000)):
        run(store, clock, "a", "succeeded", late=late, seconds=seconds)
    with store.write() as tx:
        queued(tx, clock.now(), "a")
    attempt(store, clock, "failed", seconds=4, again=True)
    attempt(store, clock, "failed", seconds=4)  # 8 seconds in all; when it was due first is not known
    for _ in range(2):  # not folded yet, and folded
        with store.read() as tx:
            took, late_by = (run_totals.timings(tx)[name] for name in run_totals.BOUNDS)
        #                       .1    .5 1  2.5 5  10 30 60 300 600 1800 3600 10800 43200 more
        assert took.buckets == (1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)
        assert took.seconds == pytest.approx(0.05 + 1 + 1.5 + 50_000 + 8, abs=0.01)
        #                          .05 .1 .25 .5 1 2.5 5 10 30 60 300 1800 3600 more
        assert late_by.buckets == (1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)
        assert late_by.seconds == pytest.approx(4002.2, abs=0.01)
        fold(store, most=2)


def test_the_last_good_end_of_a_job_outlives_its_runs(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    run(store, clock, "a", "succeeded")
    run(store, clock, "a", "degraded")
    good = clock.now()
    fold(store)
    run(store, clock, "a", "failed")
    with store.write() as tx:
        run_pruning.prune(tx, before=clock.now() + timedelta(days=1), most=100)
        assert run_totals.last_successes(run_totals.counts(tx)) == {"a": good}
        assert run_totals.last_good(tx, ["a", "b"]) == {"a": good}
        assert run_totals.last_bad(tx) == clock.now()
    fold(store)
    run(store, clock, "a", "succeeded")
    with store.read() as tx:
        assert run_totals.last_good(tx, ["a"]) == {"a": clock.now()}
        assert run_totals.last_bad(tx) == clock.now() - timedelta(seconds=1)


def test_runs_that_ended_before_there_were_totals_are_counted(store: Store, clock: ManualClock) -> None:
    every_way_to_end(store, clock)
    with store.read() as tx:
        before, timed = run_totals.counts(tx), run_totals.timings(tx)
    with store.write() as tx:
        as_schema(store, tx, "0007")
    store.migrate(keep_copy=False)
    with store.read() as tx:
        assert run_totals.counts(tx) == before
        assert run_totals.timings(tx) == timed
    run(store, clock, "a", "succeeded")
    assert totals(store)["b", "succeeded"] == 1  # what waited


def test_a_renamed_job_and_one_that_is_gone_keep_their_totals(store: Store, clock: ManualClock) -> None:
    for job_id in ("a", "gone"):
        define(store, clock, job_id, "0 0 1 1 *")
        run(store, clock, job_id, "succeeded")
        fold(store)
        run(store, clock, job_id, "failed")
    with store.write() as tx:
        registry.rename(tx, "a", "b")
        tx.execute(
            schema.jobs.update()
            .where(schema.jobs.c.job_id == "gone")
            .values(removed_at=clock.now(), next_fire_at=None)
        )
    assert totals(store) == {
        (job_id, state): 1 for job_id in ("b", "gone") for state in ("succeeded", "failed")
    }
    fold(store)
    assert len(totals(store)) == 4


def test_a_clock_that_was_set_back_lowers_no_sum(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    with store.write() as tx:
        queued(tx, clock.now(), "a")
        taken = claims.claim(tx, owner="me", now=clock.now()).run
    assert taken
    clock.move(hours=-1)
    with store.write() as tx:
        assert finish.finish(
            tx, taken, Verdict(Outcome.SUCCEEDED), owner="me", now=clock.now(), retry_at=None
        )
        found = run_totals.timings(tx)
    assert all(timing.seconds >= 0 for timing in found.values()), found
