"""A schedule: cron expression and time zone give fire times, and nothing else. It holds no state.

croniter walks the calendar (see `days`); this module maps readings of the zone's wall clock to instants,
by cron(8)'s rule for clocks that jump:

- a reading inside the gap fires once, at the end of the gap; several such readings fire there together, once;
- in the overlap a job fires at the first pass only;
- a job whose minute or hour starts with `*` follows elapsed time: nothing for the gap, both passes of the
  overlap.

Fire times are strictly ascending; `after`, `before`, `between` and `count_between` agree with each other.
Schedules are immutable and shared between threads; what is cached (parsed text, dates) is the same
in every thread.

Limit: instants from 1900 to 9899. cron(8) takes a jump of more than three hours for a correction and forgets
the gap; here every gap is honoured, also the day that Samoa skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from .fields import CronFields
from .grammar import parse_cron, refuse_type
from .zones import find_zone, jump, jumps, offsets

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _LAST_YEAR = 1900, 9899


@dataclass(frozen=True, slots=True)
class Schedule:
    """The fire times of `expression` in `zone` (an IANA name). Raises ScheduleError if refused."""

    expression: str
    zone: str = "UTC"
    fields: CronFields = field(init=False, repr=False, compare=False)
    _tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise refuse_type(self.expression)
        object.__setattr__(self, "fields", parse_cron(self.expression))
        object.__setattr__(self, "_tz", find_zone(self.zone, expression=self.expression))

    @staticmethod
    def parse(expression: object, zone: object = "UTC") -> Schedule:
        """Return the schedule of untrusted values, cached by their texts. Raises ScheduleError."""
        if not isinstance(expression, str):
            raise refuse_type(expression)
        if not isinstance(zone, str):
            find_zone(zone, expression=expression)
        return _remembered(expression, str(zone))

    def after(self, instant: datetime) -> datetime:
        """Return the first fire time strictly after an aware instant, in UTC."""
        instant = _utc(instant)
        local = instant.astimezone(self._tz)
        wall = local.replace(tzinfo=None, fold=0)
        if self.fields.real_time:
            return self._next_elapsed(instant, wall, local.fold)
        reading = self.fields.next(wall)
        while (fire_at := self._first_pass(reading)) <= instant:  # the second pass of an overlap
            reading = self.fields.next(reading)
        return fire_at

    def before(self, instant: datetime) -> datetime:
        """Return the last fire time strictly before an aware instant, in UTC."""
        instant = _utc(instant)
        local = instant.astimezone(self._tz)
        wall = local.replace(tzinfo=None, fold=0)
        if self.fields.real_time:
            return self._previous_elapsed(instant, wall, local.fold)
        if local.fold:  # the whole overlap has been read once already
            _, wall, _ = jump(self._tz, wall)
        reading = self.fields.previous(wall)
        while (fire_at := self._first_pass(reading)) >= instant:  # readings in a gap that ends here
            reading = self.fields.previous(reading)
        return fire_at

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Iterate over the fire times after `start` up to and including `end`, ascending, in UTC."""
        return self._walk(_utc(start), _utc(end))

    def count_between(self, start: datetime, end: datetime) -> int:
        """Count what `between` would yield, walking only where a clock jumps under fixed hours."""
        total = 0
        for after, until, shift in self._stretches(_utc(start), _utc(end)):
            if shift is None:
                total += sum(1 for _ in self._walk(after, until))
            else:
                total += self.fields.count(
                    (after + shift).replace(tzinfo=None), (until + shift).replace(tzinfo=None)
                )
        return total

    def matches(self, instant: datetime) -> bool:
        """Say whether an aware instant is a fire time."""
        return self.after(_utc(instant) - timedelta(microseconds=1)) == instant

    def shortest_interval(self) -> timedelta:
        """Return the smallest distance between fire times, over five years, on a clock that never jumps."""
        return self.fields.shortest_gap()

    def _walk(self, start: datetime, end: datetime) -> Iterator[datetime]:
        while start < end and (fire_at := self.after(start)) <= end:
            yield fire_at
            start = fire_at

    def _stretches(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime, timedelta | None]]:
        """Part a time: with the offset of readings that all fire, or None where they are to be walked."""
        at = start
        for one in jumps(self._tz, start - 2 * _DAY, end):
            before, over = one.at - _SECOND, min(one.at + abs(one.new - one.old), end)
            if at < before:
                yield at, before, one.old
                at = before
            if not self.fields.real_time and at < over:
                yield at, over, None
                at = over
        if at < end and (shift := end.astimezone(self._tz).utcoffset()) is not None:
            yield at, end, shift

    def _first_pass(self, reading: datetime) -> datetime:
        """Return the first instant at which the wall clock has reached a reading, or the end of its gap."""
        before, after = offsets(self._tz, reading)
        if after > before:
            return jump(self._tz, reading)[0]
        return (reading - before).replace(tzinfo=UTC)

    def _next_elapsed(self, instant: datetime, wall: datetime, fold: int) -> datetime:
        """Return the first instant after `instant`, at which `wall` is read, whose reading matches."""
        reading = self.fields.next(wall)
        first, second = offsets(self._tz, wall)
        if first > second and not fold:
            _, end, again = jump(self._tz, wall)
            # nothing more in the first pass; what the second one repeats comes before that
            if reading >= end:
                reading = self.fields.next(again, strict=False)
        while True:
            before, after = offsets(self._tz, reading)
            if before < after:
                reading = self.fields.next(jump(self._tz, reading)[2], strict=False)
                continue
            fire_at = (reading - before).replace(tzinfo=UTC)
            return fire_at if fire_at > instant else (reading - after).replace(tzinfo=UTC)

    def _previous_elapsed(self, instant: datetime, wall: datetime, fold: int) -> datetime:
        """Return the last instant before `instant`, at which `wall` is read, whose reading matches."""
        reading = self.fields.previous(wall)
        if fold:
            _, end, again = jump(self._tz, wall)
            if reading < again:  # nothing earlier in the second pass; the first one has it to its end
                reading = self.fields.previous(end)
        while True:
            before, after = offsets(self._tz, reading)
            if before < after:
                reading = self.fields.previous(jump(self._tz, reading)[1])
                continue
            fire_at = (reading - after).replace(tzinfo=UTC)
            return fire_at if fire_at < instant else (reading - before).replace(tzinfo=UTC)


@lru_cache(maxsize=16384)
def _remembered(expression: str, zone: str) -> Schedule:
    return Schedule(expression, zone)


def _utc(instant: datetime) -> datetime:
    if not isinstance(instant, datetime):
        raise TypeError(
            f"A schedule is asked about an aware datetime, not {type(instant).__name__} ({instant!r:.80})."
        )
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no time zone; pass an aware datetime, such as datetime.now(UTC).")
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(
            f"{instant} is outside the years {_FIRST_YEAR} to {_LAST_YEAR} that schedules are computed for."
        )
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
