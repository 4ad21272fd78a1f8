"""Times as people write them: with an offset, in the job's zone, that do not exist, that come twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.answers.asked_time import read_asked_time
from chalicelib.model.instants import InstantError


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ("2026-03-02T08:00", "Europe/Berlin", "2026-03-02T07:00"),
        ("2026-03-02 08:00:30", "Europe/Berlin", "2026-03-02T07:00:30"),
        ("2026-07-02T08:00", "Europe/Berlin", "2026-07-02T06:00"),
        ("2026-03-02T08:00Z", "Europe/Berlin", "2026-03-02T08:00"),
        ("2026-03-02T08:00+01:00", "Asia/Tokyo", "2026-03-02T07:00"),
        ("2026-03-02T08:00+00:00", "Asia/Tokyo", "2026-03-02T08:00"),
        ("2026-03-02T08", "UTC", "2026-03-02T08:00"),
        ("2026-03-02T08:00", "Asia/Kathmandu", "2026-03-02T02:15"),
    ],
)
def test_a_time_is_read_in_the_jobs_zone_unless_it_has_an_offset(
    written: str, zone: str, instant: str
) -> None:
    found = read_asked_time(written, zone)
    assert found.instant == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert found.remark is None


@pytest.mark.parametrize(
    ("written", "zone", "instant", "said"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00", "02:30 does not exist on 2026-03-29"),
        ("2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00", "from 02:00 to 03:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30", "write 2026-10-25T02:30+01:00"),
        ("2026-10-04T02:10", "Australia/Lord_Howe", "2026-10-03T15:30", "from 02:00 to 02:30"),
        ("2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45", "comes twice on 2026-04-05"),
    ],
)
def test_a_time_that_is_not_there_or_comes_twice_says_how_it_was_read(
    written: str, zone: str, instant: str, said: str
) -> None:
    found = read_asked_time(written, zone)
    assert found.instant == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert said in str(found.remark)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("tomorrow", "is not a valid time"),
        ("", "is not a valid time"),
        ("2026-02-30T10:00", "is not a valid time"),
        ("2026-03-02T25:00", "is not a valid time"),
        ("08:00", "is not a valid time"),
        ("1767225600", "is not a valid time"),
        ("2026-03-02", "is a date and not a time"),
        ("20260302", "is a date and not a time"),
        ("2026-W10-1", "is a date and not a time"),
        ("0001-01-01T00:00+14:00", "outside the years"),
        ("1899-01-01T00:00", "outside the years"),
        ("9999-12-31T23:00", "outside the years"),
    ],
)
def test_what_is_no_time_is_refused_with_an_example(written: str, why: str) -> None:
    with pytest.raises(InstantError, match=why) as refused:
        read_asked_time(written, "Europe/Berlin")
    assert "2026-01-31T08:00" in str(refused.value) or "1 to 9999" in str(refused.value)
