"""Signals between the parts of one process: an attempt ended, an alert is owed, the outbox has rows.

A signal says "look at the store" and carries at most the names of jobs. Losing all of them in a crash loses
nothing: what is to be done is in the store, and every loop also looks once a minute.
"""

from __future__ import annotations

import threading


class Pending:
    """Names that one thread waits for and any thread adds: names added together are taken together."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._changed = threading.Condition()

    def add(self, name: str = "") -> None:
        """Add a name and wake the thread that waits. Without a name the thread is only woken."""
        with self._changed:
            self._names.add(name)
            self._changed.notify()

    def wait(self, seconds: float) -> set[str]:
        """Wait up to `seconds` for names; return those added since the last time, maybe none."""
        with self._changed:
            self._changed.wait_for(lambda: self._names, seconds)
            names, self._names = self._names, set()
        return names


class Signals:
    """What the parts of one process tell each other. Safe to share between threads."""

    def __init__(self) -> None:
        self.review = Pending()  # ids of jobs whose incidents are to be looked at; "" for none in particular
        self.outbox = Pending()  # rows may wait to be copied to Life Hub

    def attempt_ended(self, job_id: str) -> None:
        """Have the job's incidents reviewed, and the attempt copied."""
        self.review.add(job_id)
        self.outbox.add()

    def alerts_owed(self) -> None:
        """Have the alert senders look at once."""
        self.review.add()

    def notify(self) -> None:
        """Have the outbox looked at: a job or its runs changed."""
        self.outbox.add()
