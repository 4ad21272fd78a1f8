from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.aws.eventbridge import next_fire
from chalicelib.errors import ScheduleError

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(5 minutes)", timedelta(minutes=5)),
        ("rate(1 day)", timedelta(days=1)),
        ("cron(0/15 * * * ? *)", timedelta(minutes=15)),
        ("cron(0 10 ? * MON-FRI *)", timedelta(hours=22)),
    ],
)
def test_eventbridge_expressions_are_fired_as_eventbridge_would(expression: str, expected: timedelta) -> None:
    assert next_fire(expression, NOON) == NOON + expected


REFUSED = (
    "cron(0 10 ? * 2 *)",
    "cron(0 10 * * ? 2027)",
    "cron(0 10 * *)",
    "every minute",
    "cron(0 10 ? * 6L *)",
)


@pytest.mark.parametrize("expression", REFUSED)
def test_expressions_that_mean_something_else_here_are_refused(expression: str) -> None:
    with pytest.raises(ScheduleError, match=r"rate\(1 minute\)"):
        next_fire(expression, NOON)
