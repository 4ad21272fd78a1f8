"""What a runner does beside running: telling people, and copying to Life Hub. Both wait for the network.

A thread each, so that neither delays anything else. Nothing is lost when they end: what they have to do is in
the store.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.alerting.messages import channels
from chalicelib.wiring import Sauron

log = logs.get(__name__)

LOOK_ANYWAY_SECONDS = 60.0
STORE_PAUSE_SECONDS = 2.0
GATHER_SECONDS = 0.5  # what ends together is copied together


class Pending:
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
        """Wait until something was told, or for so long; return the names told since the last time."""
        with self._told:
            self._told.wait_for(lambda: self._names, seconds)
            names, self._names = self._names, set()
        return names


class BackgroundLoops:
    """The loops of one runner, each for a thread of its own."""

    def __init__(self, sauron: Sauron, stopping: threading.Event) -> None:
        """Listen to what `sauron` tells of ended attempts and changed jobs; `stopping` and then `wake` end the loops."""
        self._sauron = sauron
        self._stopping = stopping
        self._ended, self._changed = Pending(), Pending()
        self._owed = {channel: Pending() for channel in channels(sauron.settings)}
        sauron.on_end, sauron.on_change = self._ended.tell, self._changed.tell

    @property
    def loops(self) -> dict[str, Callable[[], None]]:
        """The loops by the names of their threads: one that looks, one per channel of alerts, one that copies."""
        loops = {"herald": self._look}
        loops |= {f"courier-{channel}": functools.partial(self._deliver, channel) for channel in self._owed}
        if self._sauron.settings.life_hub_url is not None:
            loops["publisher"] = self._copy
        return {name: functools.partial(self._again, loop) for name, loop in loops.items()}

    def wake(self) -> None:
        """Let every loop look at once."""
        for news in (self._ended, self._changed, *self._owed.values()):
            news.tell()

    def _again(self, loop: Callable[[], None]) -> None:
        """Go on after whatever the store or the outside throws: what is owed is in the store, and jobs must run."""
        while not self._stopping.is_set():
            try:
                loop()
            except SQLAlchemyError as error:
                log.error("background.store_unavailable", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
                self._stopping.wait(STORE_PAUSE_SECONDS)
            except Exception:
                log.exception("background.loop_failed")
                self._stopping.wait(LOOK_ANYWAY_SECONDS)

    def _look(self) -> None:
        """See what is wrong with jobs of which an attempt ended, and have people told."""
        jobs = self._ended.wait(LOOK_ANYWAY_SECONDS) - {""}
        if jobs:
            self._sauron.review(jobs)
        for news in self._owed.values():
            news.tell()

    def _deliver(self, channel: str) -> None:
        """Send what is due through one channel, then wait until there is more."""
        delivered = self._sauron.delivery.deliver(channel)
        self._owed[channel].wait(min(delivered.next_try_in, LOOK_ANYWAY_SECONDS))

    def _copy(self) -> None:
        """Copy to Life Hub what waits, then wait until there is more."""
        self._sauron.publish()
        if (pause := self._sauron.publisher.next_try_in) > 0:
            self._stopping.wait(pause)
        else:
            self._changed.wait(LOOK_ANYWAY_SECONDS)
            self._stopping.wait(GATHER_SECONDS)
