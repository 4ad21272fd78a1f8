"""A date has changed when it has in UTC, on this machine or in the zone of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sauron_jobs_loader.launch.days import Days

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zones", "from_hour", "to_hour", "same"),
    [
        (["UTC"], 1, 22, True),
        (["UTC"], 22, 25, False),
        (["Asia/Tokyo"], 14, 16, False),
        (["Asia/Tokyo"], 16, 22, True),
        (["America/New_York", "UTC"], 4, 6, False),
        (["Nowhere/At_All", "", "UTC"], 1, 22, True),
    ],
)
def test_a_date_has_changed_in_a_zone_that_counts(
    zones: list[str], from_hour: int, to_hour: int, same: bool
) -> None:
    midnight = NOON - timedelta(hours=12)
    before = Days.of([{"timezone": zone} for zone in zones], midnight + timedelta(hours=from_hour))
    assert (before.at(midnight + timedelta(hours=to_hour)) == before) is same
