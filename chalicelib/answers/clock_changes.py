"""What a change of the clocks does to an occurrence, in words.

The rule is that of `chalicelib.cron.schedule`: a fixed hour that the clock skips fires when the clock
arrives, one that comes twice fires the first time; what follows elapsed time fires as if nothing happened.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.cron.schedule import Schedule
from chalicelib.cron.zones import find_zone, offsets

_SECOND = timedelta(seconds=1)
_FEW = 3


def at_occurrence(schedule: Schedule, fire_at: datetime) -> str | None:
    """Say what the clocks do at a fire time, or None: nothing."""
    zone = find_zone(schedule.zone, expression=schedule.expression)
    local = fire_at.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    shift = _offset(local) - _offset((fire_at - _SECOND).astimezone(zone))
    if shift > timedelta() and not schedule.fields.real_time:
        skipped = _readings(schedule, wall - shift, wall)
        if skipped:
            readings = " and ".join(f"{one:%H:%M}" for one in skipped)
            return (
                f"{readings} {'do' if len(skipped) > 1 else 'does'} not exist on {wall:%Y-%m-%d} in "
                f"{schedule.zone} (the clock goes from {wall - shift:%H:%M} to {wall:%H:%M}), so "
                f"Sauron runs it once at {wall:%H:%M}, when the clock arrives"
            )
    before, after = offsets(zone, wall)
    if before <= after:
        return None
    if schedule.fields.real_time:
        which = "second" if local.fold else "first"
        return (
            f"{wall:%H:%M} comes twice on {wall:%Y-%m-%d} in {schedule.zone}; this schedule follows elapsed "
            f"time, so it runs both times, and this is the {which}"
        )
    return (
        f"{wall:%H:%M} comes twice on {wall:%Y-%m-%d} in {schedule.zone}; a schedule with a fixed hour runs "
        "the first time only"
    )


def at_no_occurrence(schedule: Schedule, instant: datetime) -> str | None:
    """Say what the clocks have to do with it that nothing fires at an instant, or None: nothing."""
    zone = find_zone(schedule.zone, expression=schedule.expression)
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    before, after = offsets(zone, wall)
    if before > after and local.fold and schedule.fields.next(wall, strict=False) == wall:
        first = (wall - before).replace(tzinfo=UTC)
        return (
            f"this is the second {wall:%H:%M} of {wall:%Y-%m-%d} in {schedule.zone}; a schedule with a fixed "
            f"hour runs at the first only, which was {first:%H:%M} UTC"
        )
    return None


def _readings(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the first few readings that match from `start` to before `end`."""
    found: list[datetime] = []
    reading = schedule.fields.next(start, strict=False)
    while reading < end and len(found) < _FEW:
        found.append(reading)
        reading = schedule.fields.next(reading)
    return found


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()
