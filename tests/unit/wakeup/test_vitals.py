from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from chalicelib.wakeup.vitals import Failure, Vitals
from tests.conftest import ManualClock

FULL = OperationalError("INSERT", {}, Exception("the disk of s3cret is full"))


def vitals_of(clock: ManualClock) -> Vitals:
    return Vitals(clock, lambda text: text.replace("s3cret", "***"))


def test_a_runner_that_starts_is_alive_and_one_that_never_ticked_is_not_for_long(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    assert (vitals.clock_alive(), vitals.workers_alive(), vitals.stopped_part()) == (True, True, None)
    clock.move(minutes=3, seconds=1)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, False)
    assert vitals.stopped_part() == "The clock has stopped."


def test_each_sign_counts_for_three_minutes_and_for_its_own_part(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    clock.move(minutes=2)
    vitals.ticked()
    clock.move(seconds=61)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (True, False)
    assert vitals.stopped_part() == "The workers have stopped."
    vitals.looked()
    clock.move(seconds=119)
    assert (vitals.clock_alive(), vitals.workers_alive(), vitals.stopped_part()) == (True, True, None)
    clock.move(seconds=2)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, True)


@pytest.mark.parametrize(
    "refuse",
    [
        lambda vitals: vitals.refused(FULL),
        lambda vitals: vitals.claim_failed(FULL),
        lambda vitals: vitals.tick_failed(FULL),
    ],
)
def test_a_store_that_refuses_explains_a_silence_and_no_restart_is_asked_for(
    clock: ManualClock, refuse: Callable[[Vitals], None]
) -> None:
    vitals = Vitals(clock)
    clock.move(minutes=60)
    refuse(vitals)
    assert vitals.stopped_part() is None
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, False)  # /ready and /status tell it
    clock.move(minutes=3, seconds=1)
    assert vitals.stopped_part() == "The clock has stopped."  # it answers again, and still nothing moves


def test_a_tick_that_fails_for_another_reason_is_one_that_a_restart_may_mend(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    clock.move(minutes=4)
    vitals.tick_failed(KeyError("cron"))
    vitals.looked()
    assert vitals.stopped_part() == "The clock has stopped."


def test_signs_have_the_age_of_the_last_success_and_the_masked_failure_since(clock: ManualClock) -> None:
    vitals = vitals_of(clock)
    assert {sign.age_seconds for sign in vitals.signs().values()} == {None}
    for note in (vitals.ticked, vitals.claimed, vitals.wrote):
        clock.move(seconds=10)
        note()
    assert [sign.age_seconds for sign in vitals.signs().values()] == [20, 10, 0]
    clock.move(seconds=5)
    vitals.refused(FULL)
    clock.move(seconds=2)
    write = vitals.signs()["write"]
    assert write.age_seconds == 7
    assert write.failure is not None
    assert write.failure == Failure(2, write.failure.reason)
    assert "the disk of *** is full" in write.failure.reason
    vitals.wrote()
    assert vitals.signs()["write"].failure is None


def test_a_long_reason_is_shortened(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    vitals.tick_failed(ValueError("word " * 1000))
    failure = vitals.signs()["tick"].failure
    assert failure is not None
    assert len(failure.reason) <= 300


def test_the_end_of_one_thread_is_seen_at_once_also_while_the_store_refuses(clock: ManualClock) -> None:
    ending, living = threading.Event(), threading.Event()
    clock_thread = threading.Thread(target=ending.wait, daemon=True)
    worker = threading.Thread(target=living.wait, daemon=True)
    for thread in (clock_thread, worker):
        thread.start()
    vitals = Vitals(clock)
    vitals.watch(clocks=[clock_thread], workers=[worker])
    assert vitals.clock_alive()
    ending.set()
    clock_thread.join(30)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, True)
    vitals.refused(FULL)
    assert vitals.stopped_part() == "The clock has stopped."
    living.set()
    worker.join(30)
