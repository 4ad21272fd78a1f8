"""A long downtime costs what jobs there are, not what they missed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

YEAR_OF_MINUTES = 365 * 24 * 60


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_after_a_year_each_minutely_job_has_one_gap_row_and_a_few_runs(
    store: Store, clock: ManualClock, zone: str
) -> None:
    for number in range(20):
        define(store, clock, f"j{number}", timezone=zone)
    tick(store, clock)
    clock.move(days=365)
    report = tick(store, clock)
    with store.read() as tx:
        rows = tx.execute(select(job_queue.c.job_id, job_queue.c.gap_count)).all()
    gaps = [row.gap_count for row in rows if row.gap_count]
    # of the year's minutes one is caught up; those to come are queued
    assert gaps == [YEAR_OF_MINUTES - 1] * 20
    assert report.missed == sum(gaps)
    assert max(Counter(row.job_id for row in rows).values()) <= 5


def test_after_downtime_a_job_that_came_on_meanwhile_catches_up_like_any_other(
    store: Store, clock: ManualClock
) -> None:
    operations = Operations(store, clock)
    define(store, clock, "always", catchup="none")
    define(store, clock, "again", catchup="none")
    operations.disable("again", SwitchRequest(until=clock.now() + timedelta(minutes=10)))
    tick(store, clock)
    began = clock.now()
    clock.move(minutes=20)
    tick(store, clock)
    with store.read() as tx:
        rows = tx.execute(
            select(job_queue.c.job_id, job_queue.c.fire_at, job_queue.c.state).where(
                job_queue.c.fire_at > began + timedelta(minutes=10)
            )
        ).all()
    of = {name: sorted(row[1:] for row in rows if row.job_id == name) for name in ("always", "again")}
    assert of["again"] == of["always"]
    assert [state for at, state in of["again"] if at <= clock.now()] == ["missed"]


def test_the_next_tick_has_nothing_to_do(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", timezone="Europe/Berlin")
    tick(store, clock)
    clock.instant += timedelta(days=365)
    tick(store, clock)
    assert (tick(store, clock).jobs, tick(store, clock).missed) == (0, 0)
