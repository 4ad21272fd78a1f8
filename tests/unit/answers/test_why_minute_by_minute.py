"""Every minute of a week in which the clocks change, held against a small model of its own.

The model walks real minutes and reads the wall clock at each: what a clock skips is reached at its arrival,
what it repeats has been there already. It knows nothing of croniter, zones' rules or schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.answers import why
from tests.unit.answers.evidence import evidence

MINUTE = timedelta(minutes=1)
Matches = Callable[[datetime], bool]

AT_HALF_PAST_TWO: Matches = lambda wall: (wall.hour, wall.minute) == (2, 30)  # noqa: E731
CASES: list[tuple[str, bool, Matches, str, datetime]] = [
    ("30 2 * * *", False, AT_HALF_PAST_TWO, "Europe/Berlin", datetime(2026, 3, 26, tzinfo=UTC)),
    ("30 2 * * *", False, AT_HALF_PAST_TWO, "Europe/Berlin", datetime(2026, 10, 22, tzinfo=UTC)),
    (
        "15,45 1-3 * * 0,6",
        False,
        lambda w: w.minute in {15, 45} and w.hour in {1, 2, 3} and w.weekday() in {5, 6},
        "America/New_York",
        datetime(2026, 3, 5, tzinfo=UTC),
    ),
    ("*/20 * * * *", True, lambda w: w.minute % 20 == 0, "Europe/Berlin", datetime(2026, 3, 26, tzinfo=UTC)),
    ("7 * * * *", True, lambda w: w.minute == 7, "America/New_York", datetime(2026, 10, 29, tzinfo=UTC)),
    (  # its clock moves by half an hour
        "10 1,2 * * *",
        False,
        lambda w: w.minute == 10 and w.hour in {1, 2},
        "Australia/Lord_Howe",
        datetime(2026, 4, 1, tzinfo=UTC),
    ),
]


def fires(matches: Matches, zone: str, start: datetime, end: datetime, *, real_time: bool) -> set[datetime]:
    """Walk the minutes and return those at which a job fires."""
    found: set[datetime] = set()
    tz = ZoneInfo(zone)
    reached = (start - timedelta(days=1)).astimezone(tz).replace(tzinfo=None)
    for now in minutes(start - timedelta(days=1), end):
        wall = now.astimezone(tz).replace(tzinfo=None)
        if real_time:
            if matches(wall):
                found.add(now)
            continue
        while reached < wall:
            reached += MINUTE
            if matches(reached):
                found.add(now)
    return {at for at in found if at >= start}


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


@pytest.mark.slow
@pytest.mark.parametrize(("cron", "real_time", "matches", "zone", "start"), CASES)
def test_each_minute_of_a_week_is_due_exactly_when_the_wall_clock_says_so(
    cron: str, real_time: bool, matches: Matches, zone: str, start: datetime
) -> None:
    end = start + timedelta(days=7)
    expected = fires(matches, zone, start, end, real_time=real_time)
    e = evidence(cron, zone, now=start - timedelta(days=2))
    found = {at for at in minutes(start, end) if why.is_time(replace(e.evidence, at=at))}
    assert found == expected
    assert expected
    for at in expected:
        assert why.decide(e.at_instant(at)).answer == "due"
        assert why.decide(e.at_instant(at + timedelta(seconds=30))).answer == "not_due"
