"""The fire times of many schedules over one span of time, as integers of one bit a minute.

Fire times lie on whole minutes, so a day of a schedule is 1,440 bits that are the same on every day on which
it fires and no clock jumps. Sets of fire times are then joined, compared and counted as integers, which is
hundreds of times faster than walking them one by one; `Schedule` itself walks the days around a jump.

Limit: about a year; a span takes one bit a minute for each schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from .days import FireDays
from .schedule import Schedule
from .zones import find_zone

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DAY_MINUTES = 1440
_DAY_BYTES = DAY_MINUTES // 8
_ALL_DAY = (1 << DAY_MINUTES) - 1
_INSTANT = timedelta(microseconds=1)


class Minutes:
    """The minutes after `start` up to and including `end`. Bit 0 is the minute that `start` is in."""

    def __init__(self, start: datetime, end: datetime) -> None:
        """Take two aware instants, the later one second."""
        self.start, self.end = start.astimezone(UTC), end.astimezone(UTC)
        self.base = self.start.replace(second=0, microsecond=0)
        self._days = max(0, -((self.base - self.end) // DAY)) + 1
        self._known: dict[Schedule, int] = {}
        self._shifts: dict[str, list[int | None]] = {}
        self._dates: dict[FireDays, set[int]] = {}
        self._of_base = self.base.hour * 60 + self.base.minute
        self.all = self.part(self.start, self.end)

    def part(self, after: datetime, until: datetime) -> int:
        """Return the bits of the minutes after one instant up to and including another."""
        first = max(after, self.start)
        low, high = (first - self.base) // MINUTE + 1, (min(until, self.end) - self.base) // MINUTE + 1
        return ((1 << high) - 1) >> low << low if high > low else 0

    def of(self, schedule: Schedule) -> int:
        """Return the bits of the minutes in which a schedule fires."""
        if schedule not in self._known:
            self._known[schedule] = self._of(schedule) & self.all
        return self._known[schedule]

    def place(self, instant: datetime) -> int:
        """Return the bit of the minute that an instant is in."""
        return (instant - self.base) // MINUTE

    def at(self, minute: int) -> datetime:
        """Return the instant of a bit."""
        return self.base + minute * MINUTE

    def instants(self, bits: int, *, most: int | None = None) -> Iterator[datetime]:
        """Iterate over the instants of bits, ascending; over the first `most` of them if that is given."""
        return (self.at(place) for place in places(bits, most=most))

    def _of(self, schedule: Schedule) -> int:
        fields = schedule.fields
        dates = self._dates_of(fields.days)
        alike: dict[tuple[int, bool, bool], bytes] = {}
        days = []
        for number, shift in enumerate(self._shifts_of(schedule.zone)):
            if shift is None:
                days.append(self._walked(schedule, number))
                continue
            later, done = divmod(self._of_base + shift, DAY_MINUTES)  # what the wall clock reads as it begins
            today = number + later
            kind = (done, today in dates, today + 1 in dates)
            if kind not in alike:
                alike[kind] = _day(_bits_of(fields.minutes, fields.hours), *kind)
            days.append(alike[kind])
        return int.from_bytes(b"".join(days), "little")

    def _walked(self, schedule: Schedule, number: int) -> bytes:
        """Return the bits of a day near a jump."""
        begin = self.base + number * DAY
        walked = schedule.between(begin - _INSTANT, begin + DAY - _INSTANT)
        return sum(1 << ((fire_at - begin) // MINUTE) for fire_at in walked).to_bytes(_DAY_BYTES, "little")

    def _dates_of(self, days: FireDays) -> set[int]:
        """Return the fire days as days after the date of `base`, also those just outside of the span."""
        if days not in self._dates:
            first = self.base.date()
            found: set[int] = set()
            date = days.on_or_after(first - DAY)
            while (number := (date - first).days) <= self._days + 1:
                found.add(number)
                date = days.on_or_after(date + DAY)
            self._dates[days] = found
        return self._dates[days]

    def _shifts_of(self, zone: str) -> list[int | None]:
        """Return for each day the zone's offset from UTC in minutes, None for a day near a jump."""
        if zone not in self._shifts:
            here = find_zone(zone, expression="")
            found: list[int | None] = []
            for number in range(self._days):
                begin = self.base + number * DAY
                shifts = {at.astimezone(here).utcoffset() for at in (begin - DAY, begin, begin + DAY)}
                shift = shifts.pop() if len(shifts) == 1 else None
                found.append(None if shift is None or shift % MINUTE else shift // MINUTE)
            self._shifts[zone] = found
        return self._shifts[zone]


def places(bits: int, *, most: int | None = None) -> Iterator[int]:
    """Iterate over the places of the bits that are set, ascending."""
    found = 0
    for number, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        for place in _BITS[byte]:
            if found == most:
                return
            found += 1
            yield number * 8 + place


def _day(bits: int, done: int, today: bool, tomorrow: bool) -> bytes:
    """Return 24 hours of a schedule that begin `done` minutes after midnight and end on the next date."""
    rest = bits >> done if today else 0
    begun = bits << (DAY_MINUTES - done) & _ALL_DAY if tomorrow and done else 0
    return (rest | begun).to_bytes(_DAY_BYTES, "little")


@lru_cache(maxsize=4096)
def _bits_of(minutes: tuple[int, ...], hours: tuple[int, ...]) -> int:
    """Return the bits of a fire day, from midnight."""
    of_an_hour = sum(1 << minute for minute in minutes)
    return sum(of_an_hour << 60 * hour for hour in hours)


_BITS = tuple(tuple(place for place in range(8) if byte >> place & 1) for byte in range(256))
