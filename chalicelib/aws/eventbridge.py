"""EventBridge on one machine: when a scheduled handler of the app fires, and with what event."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def next_fire(expression: str, last: datetime) -> datetime:
    """Return when an EventBridge expression fires after `last`.

    `rate(n unit)` counts from `last`; `cron(...)` is in UTC.

    Raises ScheduleError for what has no equal here: AWS numbers weekdays from 1=SUN, so they must be names.
    Source: EventBridge user guide, "Creating a rule that runs on a schedule".
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return last + int(rate[1]) * _UNITS[rate[2]]
    fields = re.fullmatch(r"cron\((.*)\)", expression)
    parts = fields[1].split() if fields else []
    if len(parts) != 6 or parts[5] != "*" or re.search(r"[\dLW#]", parts[4]):  # noqa: PLR2004 - AWS writes six fields
        raise ScheduleError(
            f"{expression!r} cannot be fired here. Write rate(1 minute), or cron(...) with named weekdays "
            "and * for the year.",
            expression=expression,
        )
    fire_at = Schedule.parse(" ".join("*" if part == "?" else part for part in parts[:5])).after(last)
    if fire_at is None:
        raise ScheduleError(f"{expression!r} never fires.", expression=expression)
    return fire_at


def expression_of(source: Any) -> str:
    """Return the expression of a scheduled handler as it stands in its rule."""
    expression = source.schedule_expression
    return expression if isinstance(expression, str) else str(expression.to_string())


def event(name: str, at: datetime) -> dict[str, Any]:
    """Write the event that EventBridge would send for a scheduled rule. Every key is required."""
    return {
        "version": "0",
        "id": os.urandom(16).hex(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": iso(at.astimezone(UTC).replace(microsecond=0)),
        "region": "local",
        "resources": [f"arn:aws:events:local:000000000000:rule/{socket.gethostname()}-{name}"],
        "detail": {},
    }
