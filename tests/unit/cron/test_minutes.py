from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.cron.minutes import Minutes, places
from chalicelib.cron.schedule import Schedule

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Pacific/Apia", "Africa/Casablanca", "America/St_Johns"),
)
EXPRESSIONS = (
    *("* * * * *", "*/7 * * * *", "30 2 * * *", "15 1-3 L * *", "*/10 2 * * 0", "0 0 29 2 *", "5 4 * * sun"),
    *("0 */5 * * *", "59 23 * * fri#2", "0 2,3 * * *"),
)


@pytest.mark.parametrize("seed", range(6))
def test_the_bits_are_the_fire_times_of_the_schedule_whatever_the_zone_does(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for _ in range(8):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(365 * 86400))
        minutes = Minutes(start, start + timedelta(seconds=chance.randrange(1, 9 * 86400)))
        schedule = Schedule.parse(chance.choice(EXPRESSIONS), chance.choice(ZONES))
        walked = list(schedule.between(minutes.start, minutes.end))
        assert list(minutes.instants(minutes.of(schedule))) == walked, (start, schedule)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Pacific/Apia", "Europe/Berlin"])
def test_a_day_that_the_clock_skips_and_an_hour_that_comes_twice_are_walked(zone: str) -> None:
    for start in (datetime(2011, 12, 29, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
        minutes = Minutes(start, start + timedelta(days=3))
        for expression in EXPRESSIONS:
            schedule = Schedule.parse(expression, zone)
            found = list(minutes.instants(minutes.of(schedule)))
            assert found == list(schedule.between(minutes.start, minutes.end))


def test_a_span_is_after_its_start_and_up_to_its_end() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    every = Schedule.parse("* * * * *")

    def found(start: datetime, end: datetime) -> list[int]:
        minutes = Minutes(start, end)
        return [at.minute for at in minutes.instants(minutes.of(every))]

    assert found(noon, noon + timedelta(minutes=2)) == [1, 2]
    assert found(noon + timedelta(seconds=30), noon + timedelta(minutes=2, seconds=30)) == [1, 2]
    assert found(noon, noon) == []
    before = timedelta(microseconds=1)
    assert found(noon - before, noon + timedelta(minutes=2) - before) == [0, 1]


def test_a_part_holds_the_minutes_of_a_time_within_the_span() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    minutes = Minutes(noon, noon + timedelta(minutes=5))
    part = minutes.part(noon + timedelta(minutes=1), noon + timedelta(minutes=3, seconds=59))
    assert [at.minute for at in minutes.instants(part)] == [2, 3]
    assert minutes.part(noon - timedelta(days=1), noon + timedelta(days=1)) == minutes.all
    assert minutes.part(noon + timedelta(days=1), noon + timedelta(days=2)) == 0


def test_places_are_those_of_the_bits_that_are_set() -> None:
    bits = 1 << 3 | 1 << 64 | 1 << 1000
    assert list(places(bits)) == [3, 64, 1000]
    assert list(places(bits, most=2)) == [3, 64]
    assert list(places(0)) == []
