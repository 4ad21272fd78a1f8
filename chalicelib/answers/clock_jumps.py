"""What daylight saving time does to jobs: the occurrences that move, are left out or come twice.

cron(8)'s rule is told, as `cron.schedule` keeps it. A job that fires in every hour only follows elapsed time,
so nothing is told of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from chalicelib.cron.minutes import DAY
from chalicelib.cron.schedule import Schedule
from chalicelib.cron.zones import find_zone

_SECOND = timedelta(seconds=1)
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of a zone's clock: the instant, what the clock reads when it comes, and from then on."""

    at: datetime
    until: datetime
    since: datetime

    @property
    def forward(self) -> bool:
        """Whether the clock leaves a gap."""
        return self.since > self.until


def effects(schedule: Schedule, start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield what each jump after `start` and up to `end` does to a schedule: the instant, and a sentence."""
    fields = schedule.fields
    if fields.real_time and len(fields.hours) == _HOURS:
        return
    for jump in jumps(schedule.zone, start, end):
        low, high = sorted((jump.until, jump.since))
        if fields.count(low - _SECOND, high - _SECOND) == 0:
            continue
        reading = fields.next(low, strict=False)
        words = f"{reading:%H:%M} {{}} on {low:%Y-%m-%d} ({schedule.zone}): it fires {{}}."
        if not jump.forward:
            which = "both times" if fields.real_time else "the first time only"
            yield jump.at - (high - reading), words.format("comes twice", which)
        else:
            which = "not at all in that time" if fields.real_time else f"once, at {high:%H:%M}"
            yield jump.at, words.format("does not come", which)


@lru_cache(maxsize=256)
def jumps(name: str, start: datetime, end: datetime) -> tuple[Jump, ...]:
    """Return the jumps of a zone's clock after `start` and up to `end`."""
    zone = find_zone(name, expression="")
    found = []
    begin = start
    while begin < end:
        stop = min(begin + DAY, end)
        if _offset(zone, begin) != _offset(zone, stop):
            low, high = begin.replace(microsecond=0), stop
            while high - low > _SECOND:
                middle = (low + (high - low) / 2).replace(microsecond=0)
                if _offset(zone, middle) == _offset(zone, begin):
                    low = middle
                else:
                    high = middle
            at = high.replace(microsecond=0)
            naive = at.astimezone(UTC).replace(tzinfo=None)
            found.append(Jump(at, naive + _offset(zone, begin), naive + _offset(zone, stop)))
        begin = stop
    return tuple(found)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
