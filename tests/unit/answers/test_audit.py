"""The audit after a downtime: gap rows stand for what they count, and nothing else is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from chalicelib.answers.audit import audit
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

MINUTES = 365 * 24 * 60
_q = job_queue.c


def away(store: Store, clock: ManualClock) -> None:
    """Define a job of every minute, and be away for a year."""
    define(store, clock, "minutely")
    tick(store, clock)
    clock.move(days=365)
    tick(store, clock)


def test_a_year_of_downtime_is_counted_and_clean(store: Store, clock: ManualClock) -> None:
    away(store, clock)
    with store.read() as tx:
        report = audit(tx, now=clock.now())
    assert report.holes == ()
    assert report.occurrences == MINUTES


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_gap_row_with_a_wrong_count_is_a_hole(store: Store, clock: ManualClock, wrong: int) -> None:
    away(store, clock)
    with store.write() as tx:
        tx.execute(update(job_queue).where(_q.gap_from.is_not(None)).values(gap_count=_q.gap_count + wrong))
    with store.read() as tx:
        (hole,) = audit(tx, now=clock.now()).holes
    assert "a gap row counts" in hole.why


def test_an_occurrence_beside_a_gap_that_has_no_row_is_a_hole(store: Store, clock: ManualClock) -> None:
    away(store, clock)
    clock.move(minutes=1)
    tick(store, clock)
    lost = clock.now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    with store.write() as tx:
        assert tx.execute(delete(job_queue).where(_q.fire_at == lost, _q.gap_from.is_(None))).rowcount == 1
    with store.read() as tx:
        (hole,) = audit(tx, now=clock.now()).holes
    assert (hole.fire_at, hole.why) == (lost, "no run, skip or miss is recorded")
