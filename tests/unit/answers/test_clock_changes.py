"""What is said of an occurrence when the clocks change; each row was worked out by hand."""

from __future__ import annotations

from datetime import datetime

import pytest

from chalicelib.answers.clock_changes import at_no_occurrence, at_occurrence
from chalicelib.cron.schedule import Schedule


@pytest.mark.parametrize(
    ("cron", "zone", "at", "said"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", "02:30 does not exist on 2026-03-29"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", "runs it once at 03:00"),
        ("15,45 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", "02:15 and 02:45 do not exist"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-30T00:30Z", None),
        ("0 3 * * *", "Europe/Berlin", "2026-03-29T01:00Z", None),  # its own hour is there
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:00Z", None),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "runs the first time only"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30Z", "this is the first"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:30Z", "this is the second"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T02:30Z", None),
        ("30 2 * * *", "America/New_York", "2026-03-08T07:00Z", "from 02:00 to 03:00"),
    ],
)
def test_what_the_clocks_do_to_an_occurrence(cron: str, zone: str, at: str, said: str | None) -> None:
    found = at_occurrence(Schedule.parse(cron, zone), datetime.fromisoformat(at))
    assert found is None if said is None else said in str(found)


@pytest.mark.parametrize(
    ("cron", "at", "said"),
    [
        ("30 2 * * *", "2026-10-25T01:30Z", "the second 02:30 of 2026-10-25"),
        ("30 2 * * *", "2026-10-25T01:30Z", "which was 00:30 UTC"),
        ("30 2 * * *", "2026-10-25T00:30Z", None),  # the first, which fires
        ("30 2 * * *", "2026-10-25T01:31Z", None),
        ("30 2 * * *", "2026-10-26T00:30Z", None),
    ],
)
def test_why_a_reading_that_comes_again_fires_nothing(cron: str, at: str, said: str | None) -> None:
    found = at_no_occurrence(Schedule.parse(cron, "Europe/Berlin"), datetime.fromisoformat(at))
    assert found is None if said is None else said in str(found)
