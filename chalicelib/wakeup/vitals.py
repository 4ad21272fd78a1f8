"""What a runner measures of itself: when its last tick, claim and write worked, and what failed since.

Nothing is polled: the clock, the workers and the store report here what they do anyway.

There are two questions. Liveness (`stopped_part`) asks whether a restart would help: a thread ended, or it
did nothing for STOPPED_AFTER although the store answers. A store that refuses explains the silence, because
a restart does not mend it. The other question is whether runs are being started and recorded; `/ready`,
`/status`, the page and the dead man's switch go by that.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.liveness import is_stopped

REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """How many seconds ago an act failed, and why, with secrets masked."""

    age_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Sign:
    """How one kind of act is doing.

    `age_seconds` is since it last worked (None: it has not yet), `silent_seconds` likewise, or since the
    runner started. `failure` is the newest one since it worked.
    """

    age_seconds: float | None
    silent_seconds: float
    failure: Failure | None

    @property
    def silent(self) -> bool:
        """Whether it has not worked for so long that it counts as stopped."""
        return is_stopped(timedelta(seconds=self.silent_seconds))


class Act:
    """The record of one kind of act. Safe to share between threads."""

    def __init__(self, clock: Clock, mask: Callable[[str], str]) -> None:
        self._clock = clock
        self._mask = mask
        self._began = clock.monotonic()
        self._worked: float | None = None
        self._failed: tuple[float, str] | None = None

    def worked(self) -> None:
        """Note that one has just worked."""
        self._worked, self._failed = self._clock.monotonic(), None

    def failed(self, error: BaseException) -> None:
        """Note that one has just failed."""
        reason = self._mask(logs.reason(error))
        self._failed = self._clock.monotonic(), textwrap.shorten(reason, REASON_CHARS, placeholder=" ...")

    def sign(self) -> Sign:
        """Return how it is doing."""
        now, worked, failed = self._clock.monotonic(), self._worked, self._failed
        return Sign(
            age_seconds=None if worked is None else now - worked,
            silent_seconds=now - (self._began if worked is None else worked),
            failure=Failure(now - failed[0], failed[1]) if failed else None,
        )


class Vitals:
    """The vital signs of one runner. Safe to share between threads. A runner that starts counts as alive."""

    def __init__(self, clock: Clock, mask: Callable[[str], str] = str) -> None:
        """Measure by the monotonic `clock`; `mask` takes the values of secrets out of a reason."""
        self._clock = clock
        self._tick, self._claim, self._write = (Act(clock, mask) for _ in range(3))
        self._looked = clock.monotonic()
        self._refused: float | None = None
        self._clocks: Sequence[threading.Thread] = ()
        self._workers: Sequence[threading.Thread] = ()

    def watch(self, *, clocks: Sequence[threading.Thread], workers: Sequence[threading.Thread]) -> None:
        """Count these threads among the vital ones; to be called when they have been started."""
        self._clocks, self._workers = tuple(clocks), tuple(workers)

    def ticked(self) -> None:
        """Note that a tick has just worked."""
        self._tick.worked()

    def tick_failed(self, error: BaseException) -> None:
        """Note that a tick has just failed."""
        self._tick.failed(error)
        if isinstance(error, SQLAlchemyError):
            self._refused = self._clock.monotonic()

    def claimed(self) -> None:
        """Note that the store has just answered a claim, also if no run was due."""
        self._claim.worked()
        self.looked()

    def looked(self) -> None:
        """Note that the queue has just been looked at; while all workers are busy nothing is claimed."""
        self._looked = self._clock.monotonic()

    def claim_failed(self, error: SQLAlchemyError) -> None:
        """Note that the store has just refused a claim, or a look at the queue."""
        self._claim.failed(error)
        self._refused = self._clock.monotonic()

    def wrote(self) -> None:
        """Note that a transaction that changed something has just been committed."""
        self._write.worked()

    def refused(self, error: SQLAlchemyError) -> None:
        """Note that the store has just refused a write."""
        self._write.failed(error)
        self._refused = self._clock.monotonic()

    def signs(self) -> dict[str, Sign]:
        """Return how ticks, claims and writes are doing, by the name of one."""
        return {"tick": self._tick.sign(), "claim": self._claim.sign(), "write": self._write.sign()}

    def clock_alive(self) -> bool:
        """Say whether the clock's threads live and a tick worked lately."""
        return not self._tick.sign().silent and _live(self._clocks)

    def workers_alive(self) -> bool:
        """Say whether the workers' threads live and the queue was looked at lately.

        A store that refuses for long counts as stopped.
        """
        return self._lately(self._looked) and _live(self._workers)

    def stopped_part(self) -> str | None:
        """Return a sentence about the part that only a restart can mend, or None."""
        refused = self._refused is not None and self._lately(self._refused)
        if not (self.clock_alive() or (refused and _live(self._clocks))):
            return "The clock has stopped."
        if not (self.workers_alive() or (refused and _live(self._workers))):
            return "The workers have stopped."
        return None

    def _lately(self, instant: float) -> bool:
        return not is_stopped(timedelta(seconds=self._clock.monotonic() - instant))


def _live(threads: Sequence[threading.Thread]) -> bool:
    return all(thread.is_alive() for thread in threads)
