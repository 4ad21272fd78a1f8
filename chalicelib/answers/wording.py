"""Times and lengths in the sentences of answers: a job's wall clock first, with UTC where that differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.clock import local
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_LONGEST = 200


def when(instant: datetime, zone_name: str) -> str:
    """Return an instant as the wall clock of a zone reads it: 2026-03-29 03:00 CEST (01:00 UTC)."""
    try:
        here = local(instant, find_zone(zone_name, expression=None))
    except ScheduleError:  # a zone that an update dropped
        here = instant.astimezone(UTC)
    utc = instant.astimezone(UTC)
    clock = "%H:%M:%S" if utc.second else "%H:%M"
    name = here.tzname() or ""
    shown = f"{here:%Y-%m-%d {clock}} {name if name.isalpha() else zone_name}"
    if (here.utcoffset() or timedelta()) == timedelta():
        return shown if name == "UTC" else f"{shown} (UTC)"
    return f"{shown} ({utc:{clock if here.date() == utc.date() else f'%Y-%m-%d {clock}'}} UTC)"


def length(span: timedelta) -> str:
    """Return a length of time in its largest unit and the next smaller one."""
    seconds = max(0, int(span.total_seconds()))
    for place, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            more = rest // _UNITS[place + 1][0] if place + 1 < len(_UNITS) else 0
            return f"{count} {unit}" + (f" {more} {_UNITS[place + 1][1]}" if more else "")
    return "0 s"


def first_line(text: str | None) -> str:
    """Return the first line of an error or a reason, cut where it is very long, without its full stop."""
    line = next((one.strip() for one in (text or "").splitlines() if one.strip()), "")
    return (line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...").rstrip(".")


def sentence(*parts: str | None) -> str:
    """Join parts to sentences: each begins with a capital and ends with a full stop."""
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in parts if part)
