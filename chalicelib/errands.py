"""What a runner does beside running: telling people, and copying to Life Hub. Both wait for the network.

A thread each, so that neither delays anything else. Nothing is lost when they end: what they have to do is in the store.
"""

from __future__ import annotations

import threading

from sqlalchemy.exc import SQLAlchemyError

from . import logs
from .wiring import Sauron

log = logs.get(__name__)

LOOK_ANYWAY_SECONDS = 60.0
STORE_PAUSE_SECONDS = 2.0
GATHER_SECONDS = 0.5  # what ends together is copied together


class News:
    """Names that somebody is to look at: told by any thread, taken together by one."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._told = threading.Condition()

    def tell(self, name: str = "") -> None:
        """Add a name and wake whoever waits."""
        with self._told:
            self._names.add(name)
            self._told.notify()

    def wait(self, seconds: float) -> set[str]:
        """Wait until something was told, or for so long; answer the names told since the last time."""
        with self._told:
            self._told.wait_for(lambda: self._names, seconds)
            names, self._names = self._names, set()
        return names


class Errands:
    """The loops of one runner, each for a thread of its own."""

    def __init__(self, sauron: Sauron, stopping: threading.Event) -> None:
        """Listen to what `sauron` tells of ended attempts and changed jobs; `stopping` and then `wake` end the loops."""
        self._sauron = sauron
        self._stopping = stopping
        self._ended, self._changed = News(), News()
        sauron.on_end, sauron.on_change = self._ended.tell, self._changed.tell

    def wake(self) -> None:
        """Let both loops look at once."""
        self._ended.tell()
        self._changed.tell()

    def tell_people(self) -> None:
        """Tell people: look at the jobs of which an attempt ended, and send the alerts that wait."""
        wait = 0.0
        while not self._stopping.is_set():
            jobs = self._ended.wait(wait)
            try:
                if jobs:
                    self._sauron.review(jobs)
                self._sauron.deliver()
                wait = self._sauron.next_alert_in(LOOK_ANYWAY_SECONDS)
            except SQLAlchemyError as error:
                log.error("alerts.delayed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
                wait = STORE_PAUSE_SECONDS

    def publish(self) -> None:
        """Copy to Life Hub what waits, soon after there is something."""
        while not self._stopping.is_set():
            try:
                published = self._sauron.publish()
            except SQLAlchemyError as error:
                log.error("outbox.delayed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
                self._stopping.wait(STORE_PAUSE_SECONDS)
                continue
            if published is not None and published.error:
                self._stopping.wait(self._sauron.publisher.next_try_in)
            else:
                self._changed.wait(LOOK_ANYWAY_SECONDS)
                self._stopping.wait(GATHER_SECONDS)
