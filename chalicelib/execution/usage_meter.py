"""The meter: what the processes of the attempts under way use, looked at again and again.

It has a thread of its own and writes in transactions of its own, because a look may hang with a process: no
lease depends on it. The end of an attempt stores what was measured last.
"""

from __future__ import annotations

import itertools
import threading

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.usage import SHORTEST_STEP
from chalicelib.store import Store
from chalicelib.store.queue import leases

from .running_attempts import RunningAttempts

log = logs.get(__name__)

LOOK_SECONDS = SHORTEST_STEP
LOOKS_PER_WRITE = 2
DELAYED_SECONDS = 5.0


class UsageMeter:
    """Measures the attempts of one owner."""

    def __init__(self, store: Store, clock: Clock, attempts: RunningAttempts, *, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._attempts = attempts
        self._owner = owner

    def run(self, stopping: threading.Event) -> None:
        """Measure and store until `stopping` is set; sleep while nothing runs."""
        looks = itertools.count(1)
        while not stopping.is_set():
            if not self._attempts.wait_for_one(stopping):
                continue
            if stopping.wait(LOOK_SECONDS):
                return
            self.measure()
            if next(looks) % LOOKS_PER_WRITE == 0:
                self.store()

    def measure(self) -> None:
        """Look once at what each attempt uses now."""
        for one in self._attempts.under_way():
            began = self._clock.monotonic()
            one.measure(began)
            if (took := self._clock.monotonic() - began) > DELAYED_SECONDS:
                log.warning("usage.look_delayed", run_id=one.run.id, seconds=round(took, 1))

    def store(self) -> None:
        """Store what was measured and is not stored yet; what the store refuses is stored later."""
        news = [
            (one, usage)
            for one in self._attempts.under_way()
            if (usage := one.usage) is not None and usage is not one.stored_usage
        ]
        if not news:
            return
        try:
            with self._store.write() as tx:
                for one, usage in news:
                    leases.note_usage(tx, one.run, usage, owner=self._owner)
        except SQLAlchemyError as error:
            log.error("usage.write_failed", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough
            return
        for one, usage in news:
            one.stored_usage = usage
