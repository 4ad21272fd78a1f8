"""Runs and attempts as values, and the moves a run may make.

    (occurrence) ----+----------------------------> skipped | missed      final at birth, or decided when due
                     v
    (trigger) --> queued --claim--> running --finish--> succeeded | degraded | failed | timed_out | cancelled
                     ^                 |
                     +---- retry ------+            back to queued with a later due time, if attempts remain
                     +---- release ----+            a stopping runner returns what it had not started

A run is the stored record that one execution was asked for. Every attempt of it is numbered from 1. At most
one run exists for an occurrence (job, fire time), ever.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from .usage import Usage

JobId = NewType("JobId", str)
RunId = NewType("RunId", str)


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"  # it finished and says itself that not all is well
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # a policy said not to run it; `reason` says which
    MISSED = "missed"  # its time passed while it could not run; one row may stand for a gap of several


UNFINISHED = frozenset({RunState.QUEUED, RunState.RUNNING})
EXECUTED = frozenset(
    {RunState.SUCCEEDED, RunState.DEGRADED, RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED}
)
FINAL = frozenset(RunState) - UNFINISHED
GOOD = (RunState.SUCCEEDED, RunState.DEGRADED)  # it ended well
BAD = (RunState.FAILED, RunState.TIMED_OUT)  # it ended badly; a cancelled run is neither


class Origin(StrEnum):
    """Who asked for a run."""

    SCHEDULE = "schedule"  # an occurrence, on time
    CATCHUP = "catchup"  # an occurrence whose time passed while Sauron was down; it waits its turn
    TRIGGER = "trigger"  # a person or the assistant
    RETRY = "retry"  # a person, of an earlier run
    CHAIN = "chain"  # the end of a run of a job that this one follows


OCCURRENCES = (Origin.SCHEDULE, Origin.CATCHUP)


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # its runner stopped or died; how far it got is unknown


FAILURES = (Outcome.FAILED, Outcome.TIMED_OUT)  # tried again after a backoff while attempts remain


@dataclass(frozen=True, slots=True)
class Attempt:
    """One numbered try of a run. `outcome` is None while it runs.

    `usage` is what its processes used, None for one that was over before the first measurement.
    """

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    runner: str
    exit_code: int | None
    signal: int | None
    error: str | None
    error_type: str | None
    max_rss_kb: int | None
    cpu_seconds: float | None
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored.

    `fire_at` is the schedule's time and None for triggers; `due_at` is when it may start (jitter, backoff).
    `gap_from` and `gap_count` are set on a `missed` row that stands for several occurrences: from `gap_from`
    to `fire_at`, both included. `revision` is bound at the first claim and kept for every retry. `attempt`
    counts the attempts started. A run of a chain stands for `chain_at`, and `parents` holds run_id, state
    and result of each job that it followed; without `flows` the jobs that follow it are not asked for. At
    most the size of its `pool` runs at once; runs of higher `priority` are claimed first. What a job says of
    its progress it has said since `progress_at`.
    """

    id: RunId
    job_id: JobId
    state: RunState
    origin: Origin
    fire_at: datetime | None
    due_at: datetime
    gap_from: datetime | None
    gap_count: int
    revision: str | None
    attempt: int
    max_attempts: int
    params: dict[str, Any] | None
    requested_by: str | None
    reason: str | None
    force: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    error_type: str | None
    result: Any
    progress: float | None
    progress_note: str | None
    cancel_reason: str | None
    lease_owner: str | None
    lease_generation: int
    lease_beat: int
    pool: str | None = None
    priority: int = 0
    chain_at: datetime | None = None
    chain_key: str | None = None
    parents: dict[str, dict[str, Any]] | None = None
    flows: bool = True
    progress_at: datetime | None = None

    @property
    def occurrence(self) -> bool:
        """Whether it is an occurrence of a schedule: its job's own, or that of the jobs which it follows."""
        return self.origin in OCCURRENCES or self.chain_key is not None

    @property
    def droppable(self) -> bool:
        """Whether it is dropped while its job is off or all is paused: nobody asked for it, nothing began."""
        return (self.occurrence or self.origin is Origin.CHAIN) and not self.attempt

    @property
    def scheduled_for(self) -> datetime:
        """The time it stands for: its fire time, that of the chain it belongs to, or that of its trigger."""
        return self.fire_at or self.chain_at or self.created_at


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's end means for its run: the outcome and what to record with it."""

    outcome: Outcome
    error: str | None = None
    error_type: str | None = None
    result: Any = None
    exit_code: int | None = None
    signal: int | None = None
    max_rss_kb: int | None = None
    cpu_seconds: float | None = None


SHORTEST_PREFIX = 4  # letters of a run's id that may stand for it
_LOWEST, _HIGHEST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
_GROUPS = (8, 4, 4, 4, 12)


def ids_with(prefix: str) -> tuple[str, str] | None:
    """Return the lowest and the highest run id that begin with a prefix; None if no id does.

    Capital letters are as good as small ones, and the dashes may be left out. Both ends have the full length,
    so that every collation has them in this order.
    """
    digits = prefix.lower()
    if "-" not in digits:
        rest = iter(digits)
        groups = ("".join(itertools.islice(rest, length)) for length in _GROUPS)
        digits = "-".join([*filter(None, groups), *filter(None, ["".join(rest)])])
    if len(prefix) < SHORTEST_PREFIX or len(digits) > len(_LOWEST):
        return None
    for letter, pattern in zip(digits, _LOWEST, strict=False):
        if (letter not in "0123456789abcdef") if pattern == "0" else letter != "-":
            return None
    return digits + _LOWEST[len(digits) :], digits + _HIGHEST[len(digits) :]


class RunIds:
    """Makes run ids: UUIDs of version 7 (RFC 9562), which sort by creation. Safe between threads."""

    def __init__(
        self,
        milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        """Take the time since 1970 from `milliseconds`; `bits` returns a number of so many random bits."""
        self._milliseconds = milliseconds
        self._bits = bits
        self._lock = threading.Lock()
        # the last 60 bits given out: milliseconds, and a counter that begins anywhere in its first half
        self._last = 0

    def make(self) -> RunId:
        """Return a new id."""
        with self._lock:
            self._last = max(self._last + 1, self._milliseconds() << 12 | self._bits(11))
            stamp, counter = self._last >> 12, self._last & 0xFFF
        text = f"{stamp << 80 | 0x7 << 76 | counter << 64 | 0x2 << 62 | self._bits(62):032x}"
        return RunId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


_ids = [RunIds()]


def new_run_id() -> RunId:
    """Make a run id."""
    return _ids[-1].make()


@contextlib.contextmanager
def run_ids_of(maker: RunIds) -> Iterator[None]:
    """Let `maker` make all run ids of this process during the block, so that they can be foreseen."""
    _ids.append(maker)
    try:
        yield
    finally:
        _ids.remove(maker)
