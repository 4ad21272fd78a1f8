from __future__ import annotations

import threading

from chalicelib.wakeup.vitals import Vitals
from tests.conftest import ManualClock


def test_a_runner_that_starts_is_alive_and_one_that_never_ticked_is_not_for_long(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (True, True)
    clock.move(minutes=3, seconds=1)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, False)


def test_each_sign_counts_for_three_minutes_and_for_its_own_part(clock: ManualClock) -> None:
    vitals = Vitals(clock)
    clock.move(minutes=2)
    vitals.ticked()
    clock.move(seconds=61)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (True, False)
    vitals.looked()
    clock.move(seconds=119)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (True, True)
    clock.move(seconds=2)
    assert (vitals.clock_alive(), vitals.workers_alive()) == (False, True)


def test_the_end_of_one_thread_is_seen_at_once(clock: ManualClock) -> None:
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
    living.set()
    worker.join(30)
