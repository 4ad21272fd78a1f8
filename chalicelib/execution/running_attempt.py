"""One attempt under way in this process: its processes, and what the store does not have of it yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from chalicelib.model.runs import Run
from chalicelib.model.usage import Point, Usage, measured
from chalicelib.store.database import Tx
from chalicelib.store.queue import leases

from .log_buffer import AttemptLog
from .verdict import AttemptFacts

PROCESSORS = float(os.cpu_count() or 1)


class TreeUsage(Protocol):
    """What an attempt's processes use at one moment."""

    @property
    def memory_mb(self) -> float:
        """Their memory in MiB, each shared page counted once."""

    @property
    def cpu_seconds(self) -> float:
        """Their processor time so far, and that of the children that they waited for."""

    @property
    def reaped_seconds(self) -> float:
        """The processor time of what nobody of them waited for, and of what came before the attempt."""

    @property
    def programs(self) -> Sequence[str]:
        """The names of those that are not the job's own Python."""


class Attempt(Protocol):
    """One attempt's processes."""

    def watch(
        self,
        *,
        timeout: timedelta,
        on_output: Callable[[bytes], None],
        on_progress: Callable[[float, str], None],
        on_state: Callable[[str, str | None, Any], Any],
    ) -> AttemptFacts:
        """Block until the attempt is over and return the facts about its end."""

    def stop(self, reason: str) -> None:
        """End the whole process tree, from any thread."""

    def usage(self) -> TreeUsage | None:
        """Look at what its processes use now; None if there is none. May hang with one of them."""


@dataclass(slots=True)
class RunningAttempt:
    """An attempt under way.

    `stopped` is the reason once it was ordered to end, also before its processes exist. `progress` is what
    the job said last, `usage` what its processes used since `began` (monotonic); the store has
    `stored_progress` and `stored_usage` of that. `seen` is the last look at the processes.
    """

    run: Run
    log: AttemptLog
    attempt: Attempt | None = None
    stopped: str | None = None
    progress: tuple[float, str] | None = None
    stored_progress: tuple[float, str] | None = None
    began: float = 0.0
    seen: TreeUsage | None = None
    usage: Usage | None = None
    stored_usage: Usage | None = None

    def measure(self, now: float) -> None:
        """Add a measurement, if its processes are there and some time has passed."""
        used = self.attempt.usage() if self.attempt else None
        seconds = round(now - self.began, 1)
        passed = seconds - (self.usage.newest.seconds if self.usage else 0.0)
        if used is None or passed <= 0:
            return
        busy = used.cpu_seconds
        if self.seen is not None:  # what was reaped before the first look may be of an earlier attempt
            busy += used.reaped_seconds - self.seen.cpu_seconds - self.seen.reaped_seconds
        # a process that ends during a look may be missed by it, and counted twice by the next one
        processors = min(max(0.0, busy / passed), PROCESSORS)
        self.seen = used
        newest = Point(seconds, used.memory_mb, round(processors, 2))
        self.usage = measured(self.usage, newest, used.programs)

    @property
    def dirty(self) -> bool:
        """Whether there is something to store with its end."""
        return self.log.dirty or self.usage is not self.stored_usage

    def flush(self, tx: Tx, *, owner: str, now: datetime) -> None:
        """Store with its end what it wrote and used since."""
        if self.log.dirty:
            self.log.flush(tx, now=now)
        if self.usage is not None and self.usage is not self.stored_usage:
            leases.note_usage(tx, self.run, self.usage, owner=owner)
