"""Time zones by their IANA name, and the instants at which their clocks jump.

A wall clock reading is a naive datetime. Around a jump, the offsets before and after it are those of the
reading with `fold=0` and `fold=1` (PEP 495): the second is larger in a gap, smaller in an overlap, and equal
everywhere else.

Limit: two jumps within one day of each other are not told apart; no zone has had them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from chalicelib.errors import ScheduleError

from .zone_advice import advice
from .zone_names import NOT_ZONES

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Jump:
    """An instant at which a clock jumps, and its offsets from UTC until then and from then on."""

    at: datetime
    old: timedelta
    new: timedelta


def find_zone(name: object, *, expression: object) -> ZoneInfo:
    """Return the zone called `name`, or raise ScheduleError with the nearest names there are."""
    if not isinstance(name, str):
        raise ScheduleError(
            f"The time zone of cron {expression!r:.80} is {type(name).__name__}, not text. "
            "Write an IANA name such as 'Europe/Berlin'.",
            expression=expression,
        )
    try:
        return _load(name)
    except (OSError, ValueError, KeyError):
        raise ScheduleError(
            f"There is no time zone {name!r:.80} (of cron {expression!r:.80}). {advice(name)}",
            expression=expression,
            token=name,
        ) from None


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    if not name.isascii() or name.startswith(NOT_ZONES):
        raise ValueError(name)
    return ZoneInfo(name)


def offsets(zone: ZoneInfo, wall: datetime) -> tuple[timedelta, timedelta]:
    """Return the offsets of a reading before and after the jump it belongs to (equal where there is none)."""
    before = wall.replace(tzinfo=zone, fold=0).utcoffset()
    after = wall.replace(tzinfo=zone, fold=1).utcoffset()
    if before is None or after is None:  # a ZoneInfo always knows
        raise ValueError(f"{zone.key} has no offset at {wall}")
    return before, after


@lru_cache(maxsize=4096)
def jump(zone: ZoneInfo, wall: datetime) -> tuple[datetime, datetime, datetime]:
    """Describe the jump that a wall clock reading in a gap or overlap belongs to.

    The answer is the instant (UTC), what the wall clock reads when it arrives there, and what it reads from
    then on.
    """
    wall = wall.replace(microsecond=0)
    old, new = offsets(zone, wall)
    before, after = (wall - max(old, new)).replace(tzinfo=UTC), (wall - min(old, new)).replace(tzinfo=UTC)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    naive = after.replace(tzinfo=None)
    return after, naive + old, naive + new


def jumps(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Jump]:
    """Iterate over the jumps of a clock after `start` up to and including `end`, in the order of time."""
    for year in range(start.year, end.year + 1):
        yield from (one for one in _jumps_of_year(zone, year) if start < one.at <= end)


@lru_cache(maxsize=8192)
def _jumps_of_year(zone: ZoneInfo, year: int) -> tuple[Jump, ...]:
    begin = datetime(year, 1, 1, tzinfo=UTC) - _SECOND
    found = []
    for number in range(366):
        low, high = begin + number * _DAY, begin + (number + 1) * _DAY
        old, new = low.astimezone(zone).utcoffset(), high.astimezone(zone).utcoffset()
        if old is None or new is None or old == new:
            continue
        while high - low > _SECOND:
            middle = low + (high - low) // (2 * _SECOND) * _SECOND
            low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
        if high.year == year:
            found.append(Jump(high, old, new))
    return tuple(found)
