"""The foreseen occurrences as lines in the order of time, a page at a time.

A job that fires 24 times or more has one line for each of its fates on a page: at the first occurrence of
the kind, with how many there are and until when. So have occurrences that will not run whatever else does.
Every other occurrence has a line of its own.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.cron.minutes import places
from chalicelib.model.runs import JobId

from . import fates
from .fates import Fate
from .foreseen import Foresight
from .virtual_time import VirtualRun

OFTEN = 24  # occurrences of a job in a day
WALKED = 5_000  # occurrences on one page

Key = tuple[datetime, JobId]  # the place of an occurrence in the order of all


@dataclass(slots=True)
class Line:
    """One occurrence, or several of one job and fate: the first at `at`, the last at `last`.

    `run` is the first as it was simulated. `longest` is the longest wait, None if there is one whose length
    is not known.
    """

    at: datetime
    job_id: JobId
    fate: Fate
    run: VirtualRun | None
    last: datetime
    count: int = 1
    longest: timedelta | None = timedelta()


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a page; `following` is the place of its last occurrence if there are more."""

    lines: list[Line]
    following: Key | None


def lines_after(seen: Foresight, key: Key, wanted: Callable[[JobId], bool], *, most: int) -> Part:
    """Return up to `most` lines of the wanted jobs' occurrences after a place in the order."""
    lines: list[Line] = []
    folded: dict[tuple[JobId, Fate], Line] = {}
    last: Key | None = None
    for number, (at, job_id, run) in enumerate(_all_after(seen, key, wanted)):
        fate = seen.fate_of(job_id, at) if run is None else fates.of(run, seen.members[job_id])
        line = folded.get((job_id, fate))
        if number == WALKED or (line is None and len(lines) == most):
            return Part(lines, last)
        last = at, job_id
        if line is None:
            line = Line(at, job_id, fate, run, at, count=0)
            lines.append(line)
            if seen.counts[job_id] >= OFTEN or fate in fates.STANDING:
                folded[job_id, fate] = line
        line.count, line.last = line.count + 1, at
        if run is not None and fate in fates.WAITING:
            wait = wait_of(run)
            line.longest = None if wait is None or line.longest is None else max(wait, line.longest)
    return Part(lines, None)


def wait_of(run: VirtualRun) -> timedelta | None:
    """Return how long an occurrence waits, None if that is not known."""
    if run.starts is None or run.uncertain:
        return None
    return timedelta(microseconds=run.starts - run.due)


def _all_after(
    seen: Foresight, key: Key, wanted: Callable[[JobId], bool]
) -> Iterator[tuple[datetime, JobId, VirtualRun | None]]:
    first = bisect_right(seen.simulated, key, key=lambda one: one[:2])
    simulated = (one for one in seen.simulated[first:] if wanted(one[1]))
    return heapq.merge(simulated, _others_after(seen, key, wanted), key=lambda one: one[:2])


def _others_after(
    seen: Foresight, key: Key, wanted: Callable[[JobId], bool]
) -> Iterator[tuple[datetime, JobId, None]]:
    rest = seen.minutes.part(key[0] - timedelta(microseconds=1), seen.minutes.end)
    jobs = [
        (job_id, bits)
        for job_id, all_bits in sorted(seen.others.items())
        if wanted(job_id) and (bits := all_bits & rest)
    ]
    any_of_them = 0
    for _, bits in jobs:
        any_of_them |= bits
    for minute in places(any_of_them):
        at = seen.minutes.at(minute)
        for job_id, bits in jobs:
            if bits >> minute & 1 and (at, job_id) > key:
                yield at, job_id, None
