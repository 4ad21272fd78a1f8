"""Where the time comes from.

The wall clock only decides what is due; durations and leases are measured by the monotonic clock. Everything
that needs either is handed a `Clock`, so that a test moves time instead of waiting for it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that says what time it is, one that only ever goes forward."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant."""

    def monotonic(self) -> float:
        """Return seconds on a clock that no adjustment moves."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a clock that no adjustment moves."""
        return time.monotonic()


def iso(instant: datetime) -> str:
    """Write an aware instant as ISO 8601 UTC with a Z, the form of every API answer."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local(instant: datetime, zone: tzinfo) -> datetime:
    """Return an instant in a zone; in UTC if it is beyond the years 1 to 9999 there ("until 9999-12-31")."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant.astimezone(UTC)
