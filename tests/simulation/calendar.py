"""Fire times by brute force: every minute is read on the zone's wall clock and compared with the expression.

It shares no code with `chalicelib.cron` and is as simple as can be, so that one can see that it is right. On
a day without a jump the readings run through all minutes of a day, so those that match are listed once. The
rule for clocks that jump is cron(8)'s, as README and contract state it:

- in the overlap a job with a fixed hour and minute fires at the first pass only;
- a reading that the gap swallows fires once, at the end of the gap, together with the others;
- a job whose minute or hour starts with `*` follows elapsed time: nothing for the gap, both passes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC = dt.UTC
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Expression:
    """Five fields of numbers, lists, ranges, steps and `*`."""

    def __init__(self, text: str) -> None:
        minute, hour, day, month, weekday = text.split()
        parts = zip((minute, hour, day, month, weekday), _RANGES, strict=True)
        self.minutes, self.hours, self.days, self.months, weekdays = (
            _numbers(part, low, high) for part, (low, high) in parts
        )
        self.weekdays = frozenset(number % 7 for number in weekdays)  # Sunday is 0 and 7
        self.both = day.startswith("*") or weekday.startswith("*")  # day AND weekday, else OR
        self.elapsed = minute.startswith("*") or hour.startswith("*")
        self.readings = [
            number for number in range(1440) if number % 60 in self.minutes and number // 60 in self.hours
        ]  # minutes of a day

    def on(self, date: dt.date) -> bool:
        """Say whether the expression fires on a date."""
        day, weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        return date.month in self.months and (day and weekday if self.both else day or weekday)

    def at(self, reading: dt.datetime) -> bool:
        """Say whether a reading of the wall clock matches."""
        return reading.minute in self.minutes and reading.hour in self.hours and self.on(reading.date())


def _numbers(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, last = (
            (low, high)
            if span == "*"
            else (int(span.partition("-")[0]), int(span.partition("-")[2] or span.partition("-")[0]))
        )
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


@lru_cache(maxsize=4096)
def expression(text: str) -> Expression:
    """Read an expression."""
    return Expression(text)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def fires_on(text: str, zone: str, day: dt.date) -> tuple[dt.datetime, ...]:
    """Return the fire times of one day of UTC."""
    wanted, here = expression(text), _zone(zone)
    begin = dt.datetime(day.year, day.month, day.day, tzinfo=UTC)
    first, last = _reading(begin - MINUTE, here), _reading(begin + DAY - MINUTE, here)
    if last - first == DAY:  # the clock does not jump
        base = first.hour * 60 + first.minute
        ahead = [number - base for number in wanted.readings if number > base and wanted.on(first.date())]
        ahead += [
            number + 1440 - base for number in wanted.readings if number <= base and wanted.on(last.date())
        ]
        return tuple(begin + (number - 1) * MINUTE for number in ahead)
    return tuple(minute for number in range(1440) if _fires(wanted, minute := begin + number * MINUTE, here))


def _reading(instant: dt.datetime, here: ZoneInfo) -> dt.datetime:
    return instant.astimezone(here).replace(tzinfo=None)


def _fires(wanted: Expression, instant: dt.datetime, here: ZoneInfo) -> bool:
    """Say whether an expression fires in a minute near a jump."""
    now, before = _reading(instant, here), _reading(instant - MINUTE, here)
    if wanted.elapsed:
        return wanted.at(now)
    if now - before <= MINUTE:
        return now.fold == 0 and wanted.at(now)
    swallowed = before.replace(fold=0) + MINUTE
    while swallowed <= now.replace(fold=0):
        if wanted.at(swallowed):
            return True
        swallowed += MINUTE
    return False


def between(text: str, zone: str, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    """Iterate over the fire times after one instant up to and including another."""
    day = after.date()
    while day <= until.date():
        for fire_at in fires_on(text, zone, day):
            if after < fire_at <= until:
                yield fire_at
        day += DAY


def next_after(text: str, zone: str, after: dt.datetime, *, most_days: int = 800) -> dt.datetime | None:
    """Return the first fire time after an instant, None if none comes within `most_days`."""
    day = after.date()
    for _ in range(most_days):
        for fire_at in fires_on(text, zone, day):
            if fire_at > after:
                return fire_at
        day += DAY
    return None


def is_fire_time(text: str, zone: str, instant: dt.datetime) -> bool:
    """Say whether an instant is a fire time."""
    return instant in fires_on(text, zone, instant.date())
