"""What to write instead of a name that is not a zone, and what to know of some names that are.

An offset or an abbreviation is never replaced by the name that is spelled most like it: `Etc/GMT+2` is two
hours behind UTC, not ahead, and `EDT` is not `EST`. The region that is meant is named.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .zone_names import NOT_ZONES, of_abbreviation, of_windows

_OFFSET = re.compile(
    r"[(\[]?(?:etc/)?(?:utc|gmt|ut|z)?\s*([+\-\u2212])\s*(\d{1,2})(?::?([0-5]\d))?\b.*|(?:utc|gmt)\s*(\d{1,2})",
    re.IGNORECASE | re.ASCII,
)
_INVERTED = re.compile(r"etc/gmt\s*([+-])\s*(\d{1,2})", re.IGNORECASE | re.ASCII)
_POSIX = re.compile(r"<?[A-Za-z]{3,5}>?[+-]?\d[\d:]*<?[A-Za-z]{3,5}.*|[A-Za-z]{3,5}[+-]?\d.*,.*", re.ASCII)
_SHORT = re.compile(r"[A-Z]{2,5}", re.ASCII)
_FIXED = {"EST": "America/New_York", "MST": "America/Denver"}
_MOST_AHEAD, _MOST_BEHIND = 14, -12
_REGIONS = (
    "Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Moscow", "Asia/Dubai", "Asia/Karachi",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok", "Asia/Shanghai",
    "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "Pacific/Chatham",
    "Pacific/Tongatapu", "Pacific/Kiritimati", "Asia/Tehran", "Asia/Kabul", "Australia/Eucla",
    "Australia/Lord_Howe", "Pacific/Noumea", "Atlantic/Azores", "America/Noronha", "America/Sao_Paulo",
    "America/Halifax", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Anchorage", "Pacific/Honolulu", "America/St_Johns", "Pacific/Marquesas", "Pacific/Pago_Pago",
)  # fmt: skip
_ANY = "Write an IANA name such as 'UTC', 'Europe/Berlin' or 'America/New_York'."


def advice(name: str) -> str:
    """Return what to write instead of a name that is not a zone."""
    wanted = name.strip()[:64]
    return _of_another_name(wanted) or _of_a_rule(wanted) or _nearest(wanted)


def _of_another_name(wanted: str) -> str | None:
    if region := of_windows(wanted):
        fixed = _INVERTED.fullmatch(region)
        more = f" {_inverted(region, int(fixed[1] + fixed[2]))}" if fixed else ""
        return f"That is a name of Windows. Write {region!r}.{more}"
    if region := _FIXED.get(wanted.upper()):
        return f"Write {region!r}, or {wanted.upper()!r} for a clock that has no summer time."
    if meant := of_abbreviation(wanted):
        return (
            "An abbreviation is not a time zone: it names one clock of a year, or several. "
            f"Write the region, {' or '.join(map(repr, meant))}."
        )
    return None


def _of_a_rule(wanted: str) -> str | None:
    if _POSIX.fullmatch(wanted):
        return f"A rule as in the variable TZ is not a time zone's name. {_ANY}"
    if (inverted := _INVERTED.fullmatch(wanted)) and (exact := _known().get(wanted.lower())):
        return f"Did you mean {exact!r}? {_inverted(exact, int(inverted[1] + inverted[2]))}"
    if found := _OFFSET.fullmatch(wanted):
        sign, hours, minutes, bare = found.groups()
        ahead = timedelta(hours=int(hours or bare), minutes=int(minutes or 0))
        return _of_offset(-ahead if sign and sign != "+" else ahead)
    return None


def remark(zone: str, now: datetime) -> tuple[str, str] | None:
    """Return what its users should know of a zone that is there, and what to do; None if there is nothing.

    `now` is the instant whose year is looked at.
    """
    if region := _FIXED.get(zone):
        summer = datetime(now.year, 7, 1, tzinfo=UTC)
        behind = summer.astimezone(ZoneInfo(region)).strftime("%Z")
        what = f"timezone {zone!r} has no summer time: in summer it is an hour off"
        return f"{what} the clocks of {region} ({behind})", f"write {region!r} if those are meant"
    if found := _INVERTED.fullmatch(zone):
        ahead = -int(found[1] + found[2])
        if ahead:
            cure = f"write 'Etc/GMT{ahead:+d}' if UTC{-ahead:+d} is meant"
            return _inverted(zone, -ahead).rstrip("."), cure
    return None


def _inverted(zone: str, number: int) -> str:
    return f"{zone!r} is UTC{-number:+d}: the sign in these names is turned round."


def _of_offset(ahead: timedelta) -> str:
    """Return the advice for a clock that is `ahead` of UTC (behind it, if negative)."""
    minutes = int(ahead.total_seconds()) // 60
    if not minutes:
        return "An offset is not a time zone. Write 'UTC'."
    shown = f"UTC{'+' if minutes > 0 else '-'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    regions = [zone for zone in _REGIONS if _standard_offset(zone) == ahead]
    hours, rest = divmod(minutes, 60)
    fixed = "" if rest or not _MOST_BEHIND <= hours <= _MOST_AHEAD else f"Etc/GMT{-hours:+d}"
    if not regions and not fixed:
        return f"An offset is not a time zone, and no clock is at {shown}. {_ANY}"
    named = ""
    if regions:
        named = f" {shown} is {regions[0]!r}{' in winter' if fixed else ''}: write the region."
    if fixed:
        named += f" For {shown} all year write {fixed!r}: the sign in these names is turned round."
    return f"An offset is not a time zone: it knows no summer time.{named}"


def _standard_offset(zone: str) -> timedelta:
    seasons = (datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)) for month in (1, 7))
    return min(at.utcoffset() or timedelta() for at in seasons)


def _known() -> dict[str, str]:
    """Return the zones of regions and places by their names in lower case."""
    from zoneinfo import available_timezones

    return {zone.lower(): zone for zone in sorted(available_timezones()) if not zone.startswith(NOT_ZONES)}


def _nearest(name: str) -> str:
    """Return the names that are spelled like this one: regions and places, never offsets."""
    from difflib import get_close_matches

    zones = _known()
    wanted = name.lower().replace(" ", "_")
    if wanted in zones:
        return f"Did you mean {zones[wanted]!r}?"
    places = {
        lowered: zone for lowered, zone in zones.items() if "/" in zone and not lowered.startswith("etc/")
    }
    cities: dict[str, str] = {}
    for lowered, zone in places.items():
        cities.setdefault(lowered.rpartition("/")[2], zone)
    # A city without its region first ("Berlin"), then what is spelled alike.
    known = [cities[wanted]] if wanted in cities else []
    if not _SHORT.fullmatch(name):  # an abbreviation is not spelled like what it means
        known += [places[close] for close in get_close_matches(wanted, places, n=2, cutoff=0.7)]
        city = wanted.rpartition("/")[2]
        known += [cities[close] for close in get_close_matches(city, cities, n=1, cutoff=0.8)]
    if not known:
        return _ANY
    return f"Did you mean {' or '.join(repr(zone) for zone in dict.fromkeys(known))}?"
