"""Read a time that somebody wrote: the one function for every time that comes by HTTP or command line.

What RFC 3339 and ISO 8601 allow is read: a lower-case `t` and `z`, a leap second, any number of decimals.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

EXAMPLE = "2026-01-31T08:00:00Z"
_LEAP_SECOND = re.compile(r"(?<=\d\d:\d\d):60(?=[.,Z+-]|$)")


class InstantError(ValueError):
    """A text that is not a valid instant; its sentence says why and what to write."""


def read_instant(written: str, zone: tzinfo | Literal["local"] | None = None) -> datetime:
    """Return the instant of a written time, in UTC.

    `zone` is that of a time that names none; without `zone` such a time is refused. Raises InstantError.
    """
    text = written.strip().upper()
    plain = _LEAP_SECOND.sub(":59", text)
    try:
        instant = datetime.fromisoformat(plain) if re.fullmatch(r"[0-9TZW:.,+ -]+", plain) else None
    except ValueError:
        instant = None
    if instant is None:
        raise _invalid(written)
    if instant.tzinfo is None:
        if zone is None:
            raise InstantError(f"{written!r:.60} has no zone. Write for example {EXAMPLE}")
        if zone != "local":
            instant = instant.replace(tzinfo=zone)
    try:
        found = instant.astimezone(UTC)  # one without a zone is read in that of this machine
        if plain == text:
            return found
        if (found.hour, found.minute) != (23, 59):  # the only minute that ever has 61 seconds
            raise _invalid(written)
        return found + timedelta(seconds=1)
    except InstantError:
        raise
    except (ValueError, OverflowError, OSError):
        raise InstantError(f"{written!r:.60} is outside the years 1 to 9999 in UTC") from None


def _invalid(written: str) -> InstantError:
    return InstantError(f"{written!r:.60} is not a valid time. Write for example {EXAMPLE} (ISO 8601)")
