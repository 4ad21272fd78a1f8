from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chalicelib.model.instants import InstantError, read_instant

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31T12:00:00z",
        "2026-01-31 12:00:00.000Z",
        "2026-01-31t13:00:00+01:00",
        "2026-01-31T12:00:00-00:00",
        "2026-01-31T12:00:00.0000000000Z",
        "2026-01-31T12:00:00,0Z",
        "20260131T120000Z",
        "2026-W05-6T12:00Z",
        " 2026-01-31T12:00Z ",
    ],
)
def test_every_form_of_the_standards_is_read(text: str) -> None:
    assert read_instant(text) == NOON
    assert read_instant(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["2016-12-31T23:59:60Z", "2016-12-31t15:59:60.000-08:00"])
def test_a_leap_second_is_the_first_of_the_next_minute(text: str) -> None:
    assert read_instant(text) == datetime(2017, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+01:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.9999999-05:00",
        "9999-12-31T23:59:60Z",
    ],
)
def test_a_time_that_no_calendar_has_in_utc_is_refused(text: str) -> None:
    with pytest.raises(InstantError, match="outside the years 1 to 9999 in UTC"):
        read_instant(text)


def test_the_first_and_last_instants_are_read() -> None:
    assert read_instant("0001-01-01T00:00:00Z") == datetime.min.replace(tzinfo=UTC)
    assert read_instant("9999-12-31T23:59:59.999999z") == datetime.max.replace(tzinfo=UTC)
    assert read_instant("0001-01-01T00:00:00-23:59").hour == 23


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "1900000000", "1.9e9", "2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z"),
        *("2026-01-31x12:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00Z[UTC]", "10000-01-01T00:00:00Z"),
        "\u0662026-01-31T12:00:00Z",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InstantError, match=r"is not a valid time\. Write for example 2026-01-31T08:00:00Z"):
        read_instant(text)


def test_a_time_without_a_zone_is_read_in_the_given_one_or_refused() -> None:
    assert read_instant("2026-01-31T13:00", ZoneInfo("Europe/Berlin")) == NOON
    assert read_instant("2026-01-31T12:00Z", ZoneInfo("Europe/Berlin")) == NOON
    assert read_instant("2026-01-31T12:00", "local") == datetime(2026, 1, 31, 12).astimezone(UTC)
    with pytest.raises(InstantError, match="has no zone"):
        read_instant("2026-01-31T13:00")
    for zone in (ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")):
        with pytest.raises(InstantError, match="outside the years"):
            read_instant("0001-01-01T00:00", zone)
