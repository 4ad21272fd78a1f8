"""Time zones by their IANA name, and the instants at which their clocks jump.

A wall clock reading is a naive datetime. Around a jump, the offsets before and after it are those of the
reading with `fold=0` and `fold=1` (PEP 495): the second is larger in a gap, smaller in an overlap, and equal
everywhere else.

Limit: two jumps within one day of each other are not told apart; no zone has had them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from chalicelib.errors import ScheduleError

# In the machine's zone folder, but not zones of their own: copies, zones with leap seconds, this machine's
# setting.
_NOT_ZONES = ("posix/", "right/", "posixrules", "localtime", "Factory")
_SECOND = timedelta(seconds=1)


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
            f"There is no time zone {name!r:.80} (of cron {expression!r:.80}). {_advice(name)}",
            expression=expression,
            token=name,
        ) from None


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    if not name.isascii() or name.startswith(_NOT_ZONES):
        raise ValueError(name)
    return ZoneInfo(name)


def _advice(name: str) -> str:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    zones = {zone.lower(): zone for zone in sorted(available_timezones()) if not zone.startswith(_NOT_ZONES)}
    cities: dict[str, str] = {}
    for lowered, zone in zones.items():
        cities.setdefault(lowered.rpartition("/")[2], zone)
    wanted = name.strip().lower().replace(" ", "_")[:64]
    # A city without its region first ("Berlin"), then what is spelled alike.
    known = [cities[wanted]] if wanted in cities else []
    known += [zones[close] for close in get_close_matches(wanted, zones, n=2, cutoff=0.7)]
    known += [
        cities[close] for close in get_close_matches(wanted.rpartition("/")[2], cities, n=1, cutoff=0.8)
    ]
    if not known:
        return "Write an IANA name such as 'UTC', 'Europe/Berlin' or 'America/New_York'."
    return f"Did you mean {' or '.join(repr(zone) for zone in dict.fromkeys(known))}?"


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
