"""Reading the time that a question is about, in the zone of the job that it is asked of.

A wall clock reading may name no instant, or two. It is read as Sauron fires: one that the clock skips is the
instant at which the clock arrives, of one that comes twice the first is meant. How it was read is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from chalicelib.cron.zones import find_zone, jump, offsets
from chalicelib.model.instants import InstantError, read_instant

EXAMPLE = "2026-01-31T08:00 (in the job's zone) or 2026-01-31T08:00Z"
FIRST_YEAR, LAST_YEAR = 1901, 9898  # within those of schedules
_OTHER = timezone(timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class AskedTime:
    """An instant, and how its writing was read where that is not plain."""

    instant: datetime
    remark: str | None = None


def read_asked_time(written: str, zone_name: str) -> AskedTime:
    """Return the instant of a written time; one without an offset is read in a zone. Raises InstantError."""
    if _is_date(written):
        raise InstantError(f"{written!r:.60} is a date and not a time. Write for example {EXAMPLE}")
    try:
        instant = read_instant(written, UTC)
    except InstantError as error:
        if "not a valid time" in str(error):
            raise InstantError(f"{written!r:.60} is not a valid time. Write for example {EXAMPLE}") from None
        raise
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise InstantError(
            f"{written!r:.60} is outside the years {FIRST_YEAR} to {LAST_YEAR}. Write for example {EXAMPLE}"
        )
    if read_instant(written, _OTHER) == instant:  # its own offset counts
        return AskedTime(instant)
    return _in_zone(instant.replace(tzinfo=None), zone_name)


def _is_date(written: str) -> bool:
    try:
        return bool(date.fromisoformat(written.strip().upper()))
    except ValueError:
        return False


def _in_zone(wall: datetime, zone_name: str) -> AskedTime:
    zone = find_zone(zone_name, expression=None)
    before, after = offsets(zone, wall)
    first = (wall - before).replace(tzinfo=UTC)
    if before == after:
        return AskedTime(first)
    instant, start, end = jump(zone, wall)
    if after > before:
        return AskedTime(
            instant,
            f"{wall:%H:%M} does not exist on {wall:%Y-%m-%d} in {zone_name}: the clock goes from "
            f"{start:%H:%M} to {end:%H:%M}, so this is about {end:%H:%M}",
        )
    second = (wall - after).replace(tzinfo=UTC).astimezone(zone)
    return AskedTime(
        first,
        f"{wall:%H:%M} comes twice on {wall:%Y-%m-%d} in {zone_name}; this is about the first (for the "
        f"second write {second.isoformat(timespec='minutes')})",
    )
