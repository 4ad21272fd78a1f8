from __future__ import annotations

import threading

from chalicelib.wakeup.signals import Pending, Signals


def test_names_added_while_nobody_waits_are_kept_and_taken_together() -> None:
    pending = Pending()
    for name in ("a", "b", "a"):
        pending.add(name)
    assert pending.wait(0) == {"a", "b"}
    assert pending.wait(0) == set()


def test_a_thread_that_waits_is_woken_by_a_name() -> None:
    pending = Pending()
    found: list[set[str]] = []
    thread = threading.Thread(target=lambda: found.append(pending.wait(60)))
    thread.start()
    pending.add("late")
    thread.join(30)
    assert found == [{"late"}]


def test_the_end_of_an_attempt_is_reviewed_by_its_job_and_copied() -> None:
    signals = Signals()
    signals.attempt_ended("backup")
    assert signals.review.wait(0) == {"backup"}
    assert signals.outbox.wait(0) == {""}
    signals.notify()
    assert (signals.review.wait(0), signals.outbox.wait(0)) == (set(), {""})
    signals.alerts_owed()
    assert (signals.review.wait(0), signals.outbox.wait(0)) == ({""}, set())
