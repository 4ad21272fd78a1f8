"""The five fields of a cron expression, and the walk over the wall clock readings that match them.

The result of parsing says nothing about time zones: it answers naive readings of a wall clock. Values are
immutable and shared between threads.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from .days import FireDays

LAST_DAY = 32  # among the days of a month: its last one
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CronField:
    """One of the five fields: its name in messages, its bounds, and the names of its values, lowest first."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def widest_step(self) -> int:
        """The largest step after which `*` still names a second value."""
        top = self.high - 1 if self.name == "day of week" else self.high  # 0 and 7 are both Sunday
        return top - self.low

    def number(self, text: str) -> int | None:
        """Return the value a number or a name stands for, None if it is neither or outside the field."""
        if text.isdigit():
            value = int(text)
        elif text in self.names:
            value = self.names.index(text) + self.low
        else:
            return None
        return value if self.low <= value <= self.high else None


MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY_OF_MONTH = CronField("day of month", 1, 31)
MONTH = CronField(
    "month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
)
DAY_OF_WEEK = CronField("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


@dataclass(frozen=True, slots=True)
class CronFields:
    """A parsed expression. `texts` are its five fields in lower case, `values` what they name.

    In `values`, `LAST_DAY` stands for the last day of a month, and weekdays run from 0 (Sunday) to 6; `nth`
    holds the `fri#2` kind as (weekday, number). `real_time` says that minute or hour starts with `*`: such a
    job follows elapsed time where the clock jumps (cron(8)). `both_days` says that day of month and day of
    week must both hold, because one starts with `*`.
    """

    texts: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    nth: tuple[tuple[int, int], ...]
    real_time: bool
    both_days: bool
    days: FireDays

    @property
    def minutes(self) -> tuple[int, ...]:
        """The minutes of the hour, ascending."""
        return self.values[0]

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours of the day, ascending."""
        return self.values[1]

    def next(self, wall: datetime, *, strict: bool = True) -> datetime:
        """Return the next reading that matches after `wall` (at or after it, unless `strict`)."""
        minutes, hours = self.values[0], self.values[1]
        today = wall.date()
        day = self.days.on_or_after(today)
        if day == today:
            first = wall.minute + (1 if strict or wall.second or wall.microsecond else 0)
            index = bisect_left(hours, wall.hour)
            if index < len(hours) and hours[index] == wall.hour:
                if first <= minutes[-1]:
                    return _at(today, wall.hour, minutes[bisect_left(minutes, first)])
                index += 1
            if index < len(hours):
                return _at(today, hours[index], minutes[0])
            day = self.days.on_or_after(today + _DAY)
        return _at(day, hours[0], minutes[0])

    def previous(self, wall: datetime) -> datetime:
        """Return the last reading that matches before `wall`."""
        minutes, hours = self.values[0], self.values[1]
        today = wall.date()
        day = self.days.on_or_before(today)
        if day == today:
            last = wall.minute - (0 if wall.second or wall.microsecond else 1)
            index = bisect_right(hours, wall.hour) - 1
            if index >= 0 and hours[index] == wall.hour:
                if last >= minutes[0]:
                    return _at(today, wall.hour, minutes[bisect_right(minutes, last) - 1])
                index -= 1
            if index >= 0:
                return _at(today, hours[index], minutes[-1])
            day = self.days.on_or_before(today - _DAY)
        return _at(day, hours[-1], minutes[-1])

    def count(self, start: datetime, end: datetime) -> int:
        """Count the readings that match after `start` up to and including `end`."""
        whole = self.days.count(start.date(), end.date() - _DAY) * len(self.hours) * len(self.minutes)
        return whole - self._rank(start) + self._rank(end)

    def _rank(self, wall: datetime) -> int:
        """Count the matching readings of that day up to and including `wall`."""
        if self.days.on_or_after(wall.date()) != wall.date():
            return 0
        index = bisect_left(self.hours, wall.hour)
        rank = index * len(self.minutes)
        if index < len(self.hours) and self.hours[index] == wall.hour:
            rank += bisect_right(self.minutes, wall.minute)
        return rank

    def shortest_gap(self) -> timedelta:
        """Return the smallest distance between two matching readings."""
        minutes, hours = self.minutes, self.hours
        gaps = [later - earlier for earlier, later in pairwise(minutes)]
        hops = [later - earlier for earlier, later in pairwise(hours)]
        if hops:
            gaps.append(min(hops) * 60 + minutes[0] - minutes[-1])
        span = (hours[-1] - hours[0]) * 60 + minutes[-1] - minutes[0]
        overnight = self.days.shortest_gap() - timedelta(minutes=span)
        return min([overnight, *(timedelta(minutes=gap) for gap in gaps)])


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 a wall clock reading has no zone
