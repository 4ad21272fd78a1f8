"""Background loops of a runner: incident review, one alert sender per channel, Life Hub publisher, measuring.

Senders and publisher wait for the network, and what measures the running attempts may hang with one of them,
so each loop has a thread of its own and none delays another or a job.
Nothing that must be done is lost when a thread ends: it is in the store.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.alerting.messages import channels
from chalicelib.lifehub.publisher import Publisher
from chalicelib.wakeup.signals import Pending
from chalicelib.wiring import Sauron

log = logs.get(__name__)

LOOK_ANYWAY_SECONDS = 60.0
STORE_PAUSE_SECONDS = 2.0
GATHER_SECONDS = 0.5  # what ends together is copied together
REST = 9  # times as long as a review took the next one waits, so that many ends cost few reviews
LONGEST_REST_SECONDS = 0.5


class BackgroundLoops:
    """The loops of one runner, each for a thread of its own. `stopping` and then `wake` end them."""

    def __init__(self, sauron: Sauron, stopping: threading.Event) -> None:
        self._clock = sauron.clock
        self._duties = sauron.duties
        self._delivery = sauron.delivery
        self._publisher = sauron.publisher
        self._signals = sauron.signals
        self._meter = sauron.worker.usage_meter
        self._stopping = stopping
        self._owed = {channel: Pending() for channel in channels(sauron.settings)}

    @property
    def loops(self) -> dict[str, Callable[[], None]]:
        """The loops by the names of their threads."""
        measure = functools.partial(self._meter.run, self._stopping)
        loops: dict[str, Callable[[], None]] = {"incident-review": self._review, "usage-meter": measure}
        loops |= {f"alert-sender-{one}": functools.partial(self._send, one) for one in self._owed}
        if self._publisher is not None:
            loops["publisher"] = functools.partial(self._copy, self._publisher)
        return {name: functools.partial(self._repeat, loop) for name, loop in loops.items()}

    def wake(self) -> None:
        """Let every loop look at once."""
        for pending in (self._signals.review, self._signals.outbox, *self._owed.values()):
            pending.add()

    def _repeat(self, loop: Callable[[], None]) -> None:
        """Repeat a loop, also after an error: what is owed is in the store, and jobs must go on."""
        while not self._stopping.is_set():
            try:
                loop()
            except SQLAlchemyError as error:
                log.error("background.store_unavailable", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough
                self._stopping.wait(STORE_PAUSE_SECONDS)
            except Exception:
                log.exception("background.loop_failed")
                self._stopping.wait(LOOK_ANYWAY_SECONDS)

    def _review(self) -> None:
        """Review the incidents of jobs of which an attempt ended, and wake the alert senders.

        The first end after a while is reviewed at once, those that come meanwhile together.
        """
        jobs = self._signals.review.wait(LOOK_ANYWAY_SECONDS) - {""}
        began = self._clock.monotonic()
        if jobs:
            self._duties.review(jobs)
        for pending in self._owed.values():
            pending.add()
        if jobs:
            took = self._clock.monotonic() - began
            self._stopping.wait(min(took * REST, LONGEST_REST_SECONDS))

    def _send(self, channel: str) -> None:
        """Send what is due through one channel, then wait until there is more."""
        delivered = self._delivery.deliver(channel)
        self._owed[channel].wait(min(delivered.next_try_in, LOOK_ANYWAY_SECONDS))

    def _copy(self, publisher: Publisher) -> None:
        """Copy to Life Hub what waits, then wait until there is more."""
        publisher.publish()
        if (pause := publisher.next_try_in) > 0:
            self._stopping.wait(pause)
        else:
            self._signals.outbox.wait(LOOK_ANYWAY_SECONDS)
            self._stopping.wait(GATHER_SECONDS)
