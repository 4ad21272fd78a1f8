"""Every change of every zone's clock, ten years back and ahead: the product's schedule against brute force.

Zones that change at the same instant between the same offsets are walked once. Expressions are chosen for the
reading at which the clock jumps, so that each change meets fixed hours inside the gap or the overlap, lists
around it, steps, and jobs that follow elapsed time.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.cron.schedule import Schedule
from tests.simulation import calendar
from tests.simulation.figures import Figures

YEARS = 10
_BRACKET = dt.timedelta(hours=6)  # two changes of one zone are further apart
_AROUND = dt.timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Change:
    """A zone's clock jumps at an instant; `before` and `after` are its offsets from UTC in minutes."""

    at: dt.datetime
    before: int
    after: int
    zone: str


def changes(year: int, *, zones: frozenset[str] | None = None) -> list[Change]:
    """Return the changes of the years around one, of all zones, each kind once, in the order of time."""
    found: dict[tuple[dt.datetime, int, int], Change] = {}
    for zone in sorted(zones or zoneinfo.available_timezones()):
        for change in _of_zone(zone, year):
            found.setdefault((change.at, change.before, change.after), change)
    return sorted(found.values(), key=lambda one: (one.at, one.before))


def _of_zone(zone: str, year: int) -> Iterator[Change]:
    here = zoneinfo.ZoneInfo(zone)

    def shift(instant: dt.datetime) -> int:
        offset = instant.astimezone(here).utcoffset()
        return 0 if offset is None else int(offset.total_seconds()) // 60

    at, end = (
        dt.datetime(year - YEARS, 1, 1, tzinfo=dt.UTC),
        dt.datetime(year + YEARS + 1, 1, 1, tzinfo=dt.UTC),
    )
    while at < end:
        low, high = at, at + _BRACKET
        before, after = shift(low), shift(high)
        if before != after:
            while high - low > calendar.MINUTE:
                middle = low + (high - low) // (2 * calendar.MINUTE) * calendar.MINUTE
                low, high = (middle, high) if shift(middle) == before else (low, middle)
            yield Change(high, before, after, zone)
        at += _BRACKET


def expressions(change: Change) -> list[str]:
    """Return what is tried at a change."""
    reading = change.at + dt.timedelta(minutes=change.before)
    hour, minute = reading.hour, reading.minute
    weekday = reading.isoweekday() % 7
    earlier, later = (hour - 1) % 24, (hour + 1) % 24
    return [
        f"{minute} {hour} * * *",
        f"{(minute + 30) % 60} {hour} * * *",
        f"{(minute + 59) % 60} {earlier} * * *",
        f"15,45 {min(earlier, hour)},{hour} * * *",
        f"0,20 {later} {reading.day} {reading.month} *",
        f"*/20 {hour} * * *",
        f"5 */2 * * {weekday}",
        f"30 {hour} 1 * {weekday}",
        "*/7 * * * *",
        "0 0 * * *",
        "10 * * * *",
    ]


def difference(change: Change, text: str) -> str | None:
    """Say how the product and brute force differ around a change, or None."""
    start, end = change.at - _AROUND, change.at + _AROUND
    wanted = list(calendar.between(text, change.zone, start, end))
    schedule = Schedule.parse(text, change.zone)
    found = list(schedule.between(start, end))
    if found != wanted:
        odd = sorted(set(found) ^ set(wanted))[:3]
        return f"{text!r} in {change.zone} at {change.at:%F %T}: {[f'{one:%F %T}' for one in odd]}"
    backwards: list[dt.datetime] = []
    while (last := schedule.before(backwards[-1] if backwards else end + calendar.MINUTE)) > start:
        backwards.append(last)
    if [one for one in reversed(backwards) if one <= end] != wanted:
        return f"{text!r} in {change.zone} at {change.at:%F %T}: before() differs from after()"
    if schedule.count_between(start, end) != len(wanted):
        return f"{text!r} in {change.zone} at {change.at:%F %T}: count_between() differs"
    return None


def walk(some: list[Change]) -> list[str]:
    """Return the differences of some changes."""
    return [said for change in some for text in expressions(change) if (said := difference(change, text))]


def sample(count: int, year: int, seed: int = 1) -> list[Change]:
    """Return some changes of a few zones, the odd ones among them."""
    odd = {
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/Santiago",
        "Asia/Gaza",
        "Europe/Dublin",
        "Antarctica/Troll",
    }
    found = changes(year, zones=frozenset(odd))
    return random.Random(seed).sample(found, min(count, len(found)))  # noqa: S311 - repeatable


def main() -> Figures:
    """Walk all of them and print what differs."""
    began, year = time.process_time(), dt.datetime.now(dt.UTC).year
    found = changes(year)
    differences = walk(found)
    print(*differences, sep="\n")
    zones = len(zoneinfo.available_timezones())
    return Figures(
        "each change of each zone's clock",
        f"{len(found)} changes of the clock in {zones} zones, {year - YEARS} to {year + YEARS}, each with "
        f"{len(expressions(found[0]))} expressions, in {time.process_time() - began:.0f} s of processor time",
        "",
        f"{len(differences)} differences",
        broken=bool(differences),
    ).shown()
