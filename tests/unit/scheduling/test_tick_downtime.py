"""A long downtime costs what jobs there are, not what they missed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from chalicelib.answers.audit import audit
from chalicelib.model.runs import RunState
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history, ledger
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


@pytest.mark.parametrize("catchup", ["latest", "all", "none"])
def test_a_clock_that_was_set_to_1970_and_back_loses_and_doubles_no_occurrence(
    store: Store, clock: ManualClock, catchup: str
) -> None:
    define(store, clock, "minutely", catchup=catchup)
    define(store, clock, "hourly", "0 * * * *", catchup=catchup)
    began = clock.now()
    tick(store, clock)
    clock.instant = datetime(1970, 1, 1, tzinfo=UTC)
    for _ in range(3):
        assert tick(store, clock).jobs == 0  # nothing is due before the jobs were
        clock.move(minutes=1)
    for minutes in (10, 11, 65):
        clock.instant = began + timedelta(minutes=minutes)
        tick(store, clock)
    columns = (job_queue.c.fire_at, job_queue.c.gap_count)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        of_the_past = select(*columns).where(
            job_queue.c.job_id == "minutely", job_queue.c.fire_at <= clock.now()
        )
        rows = tx.execute(of_the_past).all()
    assert sum(row.gap_count or 1 for row in rows) == 65
    assert min(row.fire_at for row in rows) > began


def test_what_was_queued_before_a_switch_that_ended_during_downtime_is_in_the_ledger_once(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "minutely")
    tick(store, clock)  # queues the next minute ahead
    began = clock.now()
    Operations(store, clock).disable("minutely", SwitchRequest(until=began + timedelta(seconds=20)))
    clock.move(minutes=6)
    tick(store, clock)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        rows = tx.execute(select(job_queue.c.fire_at, job_queue.c.gap_from, job_queue.c.gap_count)).all()
    past = [row for row in rows if row.fire_at <= clock.now()]
    assert sum(row.gap_count or 1 for row in past) == 6


@pytest.mark.every_store
@pytest.mark.parametrize(
    ("catchup", "states"),
    [
        ("latest", ["missed", "missed", "missed", "queued"]),
        ("none", ["missed", "missed", "missed", "missed"]),
        ("all", ["queued", "queued", "queued", "queued"]),
    ],
)
def test_a_sync_during_a_silence_leaves_no_occurrence_out_of_the_ledger(
    store: Store, clock: ManualClock, catchup: str, states: list[str]
) -> None:
    define(store, clock, "minutely", catchup=catchup, max_attempts=1)
    tick(store, clock)  # queues the next minute ahead
    began = clock.now()
    clock.move(seconds=218)
    define(store, clock, "minutely", catchup=catchup, max_attempts=2)  # accounts for what is past
    clock.move(seconds=47)
    tick(store, clock)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        columns = (job_queue.c.fire_at, job_queue.c.gap_from, job_queue.c.gap_count, job_queue.c.state)
        rows = tx.execute(select(*columns).order_by(job_queue.c.fire_at)).all()
    past = [row for row in rows if began < row.fire_at <= clock.now()]
    assert [row.state for row in past for _ in range(row.gap_count or 1)] == states


class Slow(ManualClock):
    """A clock on which each transaction of a tick begins a moment after the one before."""

    def now(self) -> datetime:
        return self.move(milliseconds=200)


@pytest.mark.every_store
@pytest.mark.parametrize("catchup", ["latest", "none", "all"])
def test_what_was_queued_ahead_of_a_job_that_a_switch_left_on_outlasts_the_end_of_the_switch(
    store: Store, clock: ManualClock, catchup: str
) -> None:
    define(store, clock, "minutely", catchup=catchup)
    tick(store, clock)  # queues 12:01 ahead
    began = clock.now()
    until = began + timedelta(seconds=29.9)
    Operations(store, clock).enable("minutely", SwitchRequest(until=until))
    tick(store, Slow(until - timedelta(milliseconds=300)))  # is over after 12:01, and the switch with it
    clock.move(minutes=5)
    tick(store, clock)  # after downtime
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        rows = tx.execute(select(job_queue.c.fire_at, job_queue.c.gap_count)).all()
    assert sum(row.gap_count or 1 for row in rows if began < row.fire_at <= clock.now()) == 5


@pytest.mark.every_store
def test_a_late_run_that_a_newer_one_overtook_outlasts_the_end_of_a_switch_that_left_its_job_on(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "minutely", catchup="all")
    tick(store, clock)  # queues 12:01 and 12:02 ahead
    operations = Operations(store, clock)
    operations.enable("minutely", SwitchRequest(until=clock.now() + timedelta(seconds=10)))
    with store.read() as tx:
        newest = history.runs(tx, job_id="minutely", limit=1)[0]
    operations.cancel(newest.id)
    clock.move(minutes=5)
    tick(store, clock)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes


@pytest.mark.every_store
def test_what_was_queued_for_a_removed_job_outlasts_the_end_of_its_switch(
    store: Store, clock: ManualClock
) -> None:
    job = define(store, clock, "minutely")
    tick(store, clock)  # queues 12:01 ahead
    Operations(store, clock).enable("minutely", SwitchRequest(until=clock.now() + timedelta(seconds=10)))
    clock.move(minutes=1)
    with store.write() as tx:
        ledger.retire(tx, job, now=clock.now())
    clock.move(minutes=5)
    tick(store, clock)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes


class Dying(ManualClock):
    """A clock that ends a tick in its second transaction, as a crash would."""

    def now(self) -> datetime:
        if self.elapsed:
            raise SystemExit
        self.elapsed = 1.0
        return self.instant


@pytest.mark.every_store
@pytest.mark.parametrize("catchup", ["latest", "none", "all"])
def test_a_second_tick_after_downtime_does_not_pass_over_what_the_first_returned_to_the_schedule(
    store: Store, clock: ManualClock, catchup: str
) -> None:
    define(store, clock, "minutely", catchup=catchup, max_attempts=1)
    tick(store, clock)
    clock.move(minutes=4)
    define(store, clock, "minutely", catchup=catchup, max_attempts=2)  # queues 12:04 to 12:06
    with pytest.raises(SystemExit):
        tick(store, Dying(clock.now()))  # returns 12:04
    clock.move(seconds=35)
    tick(store, clock)  # and this one 12:05
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes


@pytest.mark.every_store
@pytest.mark.parametrize("catchup", ["latest", "none", "all"])
def test_a_tick_after_downtime_that_goes_on_in_the_next_minute_leaves_out_none(
    store: Store, clock: ManualClock, catchup: str
) -> None:
    define(store, clock, "minutely", catchup=catchup, max_attempts=1)
    tick(store, clock)
    began = clock.now()
    clock.move(minutes=4)
    define(store, clock, "minutely", catchup=catchup, max_attempts=2)  # queues 12:04 to 12:06
    clock.move(seconds=29.7)
    tick(store, Slow(clock.now()))
    clock.move(seconds=1)
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        columns = (job_queue.c.fire_at, job_queue.c.gap_count, job_queue.c.state)
        rows = tx.execute(select(*columns).order_by(job_queue.c.fire_at)).all()
    past = [row for row in rows if began < row.fire_at <= clock.now()]
    assert sum(row.gap_count or 1 for row in past) == 5
    assert past[-1].state == RunState.QUEUED  # 12:05 fired meanwhile
