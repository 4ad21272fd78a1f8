"""How far a plan looks, and whether what it found has to be mended first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DAYS, MOST_DAYS = 14, 366


def to_mend(plan: Mapping[str, Any]) -> bool:
    """Return whether a plan has something to mend before it is activated."""
    return bool(plan["problems"] or plan["missing_secrets"])
