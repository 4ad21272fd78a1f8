"""Names that are no zones are never replaced by what is spelled alike and means another clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from chalicelib.cron import zone_names
from chalicelib.cron.schedule import Schedule
from chalicelib.cron.zone_advice import remark
from chalicelib.errors import ScheduleError

WINTER = datetime(2026, 1, 15, tzinfo=UTC)


def advice(zone: str) -> str:
    with pytest.raises(ScheduleError) as refused:
        Schedule("0 8 * * *", zone)
    return str(refused.value).partition(". ")[2]


OFFSETS = [
    ("GMT+2", 120), ("UTC+2", 120), ("UTC2", 120), ("+02:00", 120), ("Etc/UTC+2", 120), ("utc + 2", 120),
    ("GMT-5", -300), ("UTC-05:00", -300), ("-0500", -300), ("UTC\N{MINUS SIGN}5", -300),
    ("+05:30", 330), ("GMT+5:45", 345), ("UTC-03:30", -210), ("UTC+13", 780), ("UTC-11", -660),
    ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome", 60), ("Z+9", 540),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "minutes"), OFFSETS)
def test_every_name_that_is_offered_for_an_offset_has_that_offset(zone: str, minutes: int) -> None:
    said = advice(zone)
    offered = re.findall(r"'([^']+/[^']+)'", said)
    assert said.startswith("An offset is not a time zone")
    assert offered
    seasons = (WINTER, WINTER + timedelta(days=180))
    for name in offered:
        standard = min(at.astimezone(ZoneInfo(name)).utcoffset() or timedelta() for at in seasons)
        assert standard == timedelta(minutes=minutes), name
    if any(name.startswith("Etc/") for name in offered):
        assert "the sign in these names is turned round" in said


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC+0", "An offset is not a time zone. Write 'UTC'."),
        ("Etc/GMT+15", "no clock is at UTC+15:00"),
        ("GMT-14", "no clock is at UTC-14:00"),
        ("etc/gmt+2", "Did you mean 'Etc/GMT+2'? 'Etc/GMT+2' is UTC-2: the sign"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "A rule as in the variable TZ is not a time zone's name."),
        ("EDT", "Write the region, 'America/New_York'."),
        ("PST", "Write the region, 'America/Los_Angeles' or 'Asia/Manila'."),
        ("ist", "'Asia/Kolkata' or 'Europe/Dublin' or 'Asia/Jerusalem'."),
        ("CEDT", "Write an IANA name"),  # spelled like CET, which is not meant
        ("est", "Write 'America/New_York', or 'EST' for a clock that has no summer time."),
        ("ROME", "Did you mean 'Europe/Rome'?"),
        ("W. Europe Standard Time", "That is a name of Windows. Write 'Europe/Berlin'."),
        ("w. europe  daylight time", "Write 'Europe/Berlin'."),
        ("India Standard Time", "Write 'Asia/Kolkata'."),
        ("Central Standard Time (Mexico)", "Write 'America/Mexico_City'."),
        ("GMT Standard Time", "Write 'Europe/London'."),
        ("Dateline Standard Time", "Write 'Etc/GMT+12'. 'Etc/GMT+12' is UTC-12"),
    ],
)
def test_what_is_not_a_zone_is_explained_by_what_it_means(zone: str, said: str) -> None:
    assert said in advice(zone)


def test_every_region_that_is_named_is_a_zone_and_no_abbreviation_is_one() -> None:
    zones = available_timezones()
    assert set(zone_names._by_windows.values()) <= zones
    for name, regions in zone_names._by_abbreviation.items():
        assert set(regions) <= zones
        assert name.upper() not in zones


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("EST", "'EST' has no summer time: in summer it is an hour off the clocks of America/New_York"),
        ("MST", "write 'America/Denver' if those are meant"),
        ("Etc/GMT-2", "'Etc/GMT-2' is UTC+2: the sign in these names is turned round"),
        ("Etc/GMT+5", "write 'Etc/GMT-5' if UTC+5 is meant"),
    ],
)
def test_a_zone_whose_name_misleads_is_remarked_on(zone: str, words: str) -> None:
    Schedule("0 8 * * *", zone)
    assert words in "; ".join(remark(zone, WINTER) or ())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "CET", "EST5EDT", "HST", "Etc/GMT+0", "Etc/UTC"])
def test_other_zones_are_not_remarked_on(zone: str) -> None:
    assert remark(zone, WINTER) is None
