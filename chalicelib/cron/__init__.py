"""A cron expression and a zone become fire times. Pure: time is always an argument.

`Schedule` is what users of this package need. It is loaded when it is asked for: zones alone cost less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schedule import Schedule

__all__ = ["Schedule"]


def __getattr__(name: str) -> Any:
    if name != "Schedule":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .schedule import Schedule

    return Schedule
