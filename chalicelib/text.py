"""Texts that several modules write: spans of time, one line, what a terminal or a store can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_STEPS = ((86400 * 2, 86400, "d"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


def ago(instant: datetime, now: datetime) -> str:
    """Say how far an instant is from now: "in 5 min", "3 h ago"."""
    seconds = (instant - now).total_seconds()
    far = abs(seconds)
    if far < 1:
        return "now"
    unit, name = next((unit, name) for above, unit, name in _STEPS if far >= above)
    distance = f"{int(far // unit)} {name}"
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def taken(seconds: float) -> str:
    """Say how long something took: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 10:  # noqa: PLR2004 - tenths matter while they can be seen
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def plain(text: str) -> str:
    """Return output without the sequences that colour a terminal."""
    return _ANSI.sub("", text)


def unreachable(error: Exception, seconds: float) -> str:
    """Say why an address could not be asked, without any of the address but its host."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {seconds:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    return f"the connection broke ({type(error).__name__})"


def storable(value: Any) -> Any:
    """Return what a store can hold of a JSON value: no lone surrogate, no NUL, null for NaN and infinity."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value
