"""The words for a schedule agree with the times at which it fires."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from chalicelib.cron.describe import describe
from chalicelib.cron.schedule import Schedule

SAID = [
    ("0 8 * * 1-5", "at 08:00, Monday to Friday"),
    ("30 20 * * MON-FRI", "at 20:30, Monday to Friday"),
    ("*/5 * * * *", "every 5 minutes"),
    ("@daily", "at 00:00"),
    ("@hourly", "every hour"),
    ("* * * * *", "every minute"),
    ("0 0 15,L * *", "at 00:00, on day 15 and the last day of the month"),
    ("0 9 13 * fri#2", "at 09:00, on day 13 of the month, or on the second Friday of the month"),
    ("0 9 13 * fri", "at 09:00, on day 13 of the month, or on Friday"),
    ("0 9 */2 * fri", "at 09:00, every second day of the month, and only on Friday"),
    ("0 9 13 * 0-7", "at 09:00"),
    ("0 9 * * 1,*", "at 09:00"),
    ("0 08 * * 07", "at 08:00, on Sunday"),
    # a step that names one value, or whose last distance is another
    ("59/15 * * * *", "at 59 minutes past the hour"),
    ("45/10 * * * *", "at 45 and 55 minutes past the hour"),
    ("*/40 * * * *", "at 0 and 40 minutes past the hour"),
    ("0-59/15 * * * *", "every 15 minutes"),
    ("5/15 * * * *", "every 15 minutes, starting at 5 minutes past the hour"),
    ("0-40/2 * * * *", "every 2 minutes, minutes 0 to 40 past the hour"),
    ("0 */5 * * *", "at 00:00, 05:00, 10:00, 15:00 and 20:00"),
    ("30 */2 * * *", "every 2 hours, starting at 00:30"),
    ("0 20/2 * * *", "at 20:00 and 22:00"),
    # a range of one value
    ("0-0 0 * * *", "at 00:00"),
    ("5-5 8-8 3-3 2-2 *", "at 08:05, on day 3 of the month, in February"),
    ("0 8 * * tue-tue", "at 08:00, on Tuesday"),
    # minutes within hours
    ("* 0 * * *", "every minute, between 00:00 and 00:59"),
    ("* 1,3 * * *", "every minute, between 01:00 and 01:59 and between 03:00 and 03:59"),
    ("*/5 */6 * * *", "every 5 minutes, in the hours from 00:00, 06:00, 12:00 and 18:00"),
    ("*/15 9-17 * * 1-5", "every 15 minutes, between 09:00 and 17:59, Monday to Friday"),
    ("10-20/5 3 * * *", "at 03:10, 03:15 and 03:20"),
    ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
    ("0 22-23,0-1 * * *", "at 00:00, 01:00, 22:00 and 23:00"),
    ("1 * * * *", "at 1 minute past the hour"),
]


@pytest.mark.parametrize(("expression", "said"), SAID)
def test_a_schedule_is_said_in_words_with_its_zone(expression: str, said: str) -> None:
    assert describe(expression, "Europe/Berlin") == f"{said} (Europe/Berlin)"


@pytest.mark.slow
def test_every_so_many_minutes_or_hours_is_the_distance_between_any_two_times() -> None:
    start = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    found = 0
    minutes = [f"{first}/{step} * * * *" for first in (0, 1, 7, 30, 59) for step in range(2, 60)]
    hours = [
        f"{minute} {first}/{step} * * *" for minute in (0, 5) for first in (0, 1, 7) for step in range(2, 24)
    ]
    for expression in (*minutes, *hours):
        said = re.match(
            r"every (\d+) (minutes|hours)(, starting at \S+( minutes? past the hour)?)? \(",
            describe(expression),
        )
        if said:
            distance = timedelta(**{said[2]: int(said[1])})
            times = list(islice(Schedule(expression).between(start, start + timedelta(days=2)), 70))
            assert {later - earlier for earlier, later in pairwise(times)} == {distance}, expression
            found += 1
    assert found > 20


def test_what_is_said_to_fire_at_some_times_fires_at_just_those() -> None:
    start = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    for expression, said in SAID:
        day = Schedule(" ".join(Schedule(expression).fields.texts[:2]) + " * * *")
        times = [f"{at:%H:%M}" for at in day.between(start, start + timedelta(days=1))]
        if listed := re.match(r"at ((?:\d\d:\d\d(?:, | and |$|(?=,)))+)", said):
            assert re.findall(r"\d\d:\d\d", listed[1]) == times, expression
