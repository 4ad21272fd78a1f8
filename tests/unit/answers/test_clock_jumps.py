"""What is told of a jump, beside the calendar: Berlin jumps on 29 March and 25 October 2026 at 01:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.answers.clock_jumps import effects
from chalicelib.cron.schedule import Schedule

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
GAP, AGAIN = "2026-03-29", "2026-10-25"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (
            "30 2 * * *",
            [
                (datetime(2026, 3, 29, 1, tzinfo=UTC), f"02:30 does not come on {GAP}", "once, at 03:00"),
                (
                    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
                    f"02:30 comes twice on {AGAIN}",
                    "first time only",
                ),
            ],
        ),
        (
            "*/20 2 * * *",
            [
                (datetime(2026, 3, 29, 1, tzinfo=UTC), f"02:00 does not come on {GAP}", "not at all"),
                (datetime(2026, 10, 25, 0, tzinfo=UTC), f"02:00 comes twice on {AGAIN}", "both times"),
            ],
        ),
        ("30 3 * * *", []),
        ("15 * * * *", []),  # in every hour: it follows elapsed time
        ("30 2 * * mon", []),  # both days are Sundays
    ],
)
def test_what_a_jump_does_is_told_where_it_does_something(
    expression: str, told: list[tuple[datetime, str, str]]
) -> None:
    found = list(effects(Schedule.parse(expression, "Europe/Berlin"), START, END))
    assert [at for at, _ in found] == [at for at, _, _ in told]
    for (_, said), (_, begins, ends) in zip(found, told, strict=True):
        assert said.startswith(begins)
        assert ends in said


def test_the_job_does_at_a_jump_what_is_told() -> None:
    fixed = Schedule.parse("30 2 * * *", "Europe/Berlin")
    for at, _ in effects(fixed, START, END):
        assert fixed.matches(at)


def test_a_zone_without_jumps_and_a_time_without_one_tell_nothing() -> None:
    assert not list(effects(Schedule.parse("30 2 * * *"), START, END))
    berlin = Schedule.parse("30 2 * * *", "Europe/Berlin")
    assert not list(effects(berlin, datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)))
