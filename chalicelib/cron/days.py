"""Which dates a schedule fires on: croniter walks the calendar, and only the calendar.

Each pattern is one croniter expression at midnight whose day of month and day of week must both hold; a date
is a fire day when any of the patterns names it. That states cron's OR, its AND and `fri#2` without croniter's
special cases for mixing them.

Answers are remembered per (patterns, date), shared by every schedule with the same days: `* * *` is walked
once for all jobs. A croniter object changes while it walks, so each has a lock. A date found again after a
race is the same date.

Limit: patterns whose dates lie more than 50 years apart count as never. The Gregorian calendar has none that
occur at all (29 February on a given weekday returns within 40 years).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock

from croniter import CroniterBadDateError, croniter

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_SAMPLE_FROM, _SAMPLE_TO = date(2024, 1, 1), date(2029, 1, 1)


@dataclass(frozen=True, slots=True)
class FireDays:
    """The dates named by at least one of `patterns`, in order."""

    patterns: tuple[str, ...]

    @classmethod
    def of(cls, patterns: tuple[str, ...]) -> FireDays:
        """Build from patterns without those that never come; none is left if no date ever comes."""
        return cls(tuple(pattern for pattern in patterns if _ever_comes(pattern)))

    def on_or_after(self, day: date) -> date:
        """Return the first fire day that is not before `day`."""
        return _first(self.patterns, day)

    def on_or_before(self, day: date) -> date:
        """Return the last fire day that is not after `day`."""
        return _last(self.patterns, day)

    def count(self, first: date, last: date) -> int:
        """Count the fire days from `first` to `last`, both included."""
        return _count(self.patterns, first, last)

    def shortest_gap(self) -> timedelta:
        """Return the smallest distance between fire days, over five years (or the first two, if rarer)."""
        return _shortest_gap(self.patterns)


@lru_cache(maxsize=1024)
def _walker(pattern: str) -> tuple[croniter, Lock]:
    return croniter(pattern, datetime.combine(_SAMPLE_FROM, time()), day_or=False), Lock()


def _walk(pattern: str, start: datetime, *, back: bool) -> date:
    walker, lock = _walker(pattern)
    with lock:
        step = walker.get_prev if back else walker.get_next
        found: datetime = step(datetime, start_time=start, update_current=False)
    return found.date()


@lru_cache(maxsize=4096)
def _ever_comes(pattern: str) -> bool:
    try:
        _walk(pattern, datetime.combine(_SAMPLE_FROM, time()), back=False)
    except CroniterBadDateError:
        return False
    return True


@lru_cache(maxsize=16384)
def _first(patterns: tuple[str, ...], day: date) -> date:
    start = datetime.combine(day, time()) - _MINUTE
    return min(_walk(pattern, start, back=False) for pattern in patterns)


@lru_cache(maxsize=16384)
def _last(patterns: tuple[str, ...], day: date) -> date:
    start = datetime.combine(day, time()) + _MINUTE
    return max(_walk(pattern, start, back=True) for pattern in patterns)


@lru_cache(maxsize=1024)  # after downtime, many jobs missed the same days
def _count(patterns: tuple[str, ...], first: date, last: date) -> int:
    found = 0
    while first <= last and (day := _first(patterns, first)) <= last:
        found += 1
        first = day + _DAY
    return found


@lru_cache(maxsize=1024)
def _shortest_gap(patterns: tuple[str, ...]) -> timedelta:
    day = _first(patterns, _SAMPLE_FROM)
    shortest = timedelta.max
    while shortest > _DAY and (day < _SAMPLE_TO or shortest == timedelta.max):
        following = _first(patterns, day + _DAY)
        shortest = min(shortest, following - day)
        day = following
    return shortest
