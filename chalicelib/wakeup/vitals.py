"""What a runner measures of itself: when clock and workers last worked, and whether their threads live.

Liveness goes by this. The runner reports here; `/health` and the dead man's switch ask.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from chalicelib.clock import Clock
from chalicelib.model.liveness import is_stopped


class Vitals:
    """The vital signs of one runner. Safe to share between threads. A runner that starts counts as alive."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ticked = self._looked = clock.monotonic()
        self._clocks: Sequence[threading.Thread] = ()
        self._workers: Sequence[threading.Thread] = ()

    def watch(self, *, clocks: Sequence[threading.Thread], workers: Sequence[threading.Thread]) -> None:
        """Count these threads among the vital ones; to be called when they have been started."""
        self._clocks, self._workers = tuple(clocks), tuple(workers)

    def ticked(self) -> None:
        """Note that a tick has just worked."""
        self._ticked = self._clock.monotonic()

    def looked(self) -> None:
        """Note that the queue has just been looked at, and the store answered."""
        self._looked = self._clock.monotonic()

    def clock_alive(self) -> bool:
        """Say whether the clock's threads live and a tick worked lately."""
        return self._lately(self._ticked) and all(thread.is_alive() for thread in self._clocks)

    def workers_alive(self) -> bool:
        """Say whether the workers' threads live and the queue was looked at lately.

        A store that refuses for long counts as stopped.
        """
        return self._lately(self._looked) and all(thread.is_alive() for thread in self._workers)

    def _lately(self, instant: float) -> bool:
        return not is_stopped(timedelta(seconds=self._clock.monotonic() - instant))
