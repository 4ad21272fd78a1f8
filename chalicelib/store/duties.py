"""When each scheduled duty last finished, and what it noted: liveness and missed time go by this."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from .database import Tx
from .dialect import upsert
from .driver import Statement
from .schema import duties

TICK = "tick"

_d = duties.c
_last = Statement(select(_d.at, _d.detail).where(_d.name == bindparam("name")))


def duty_done(tx: Tx, name: str, *, at: datetime, detail: dict[str, Any] | None = None) -> None:
    """Note that a duty was done."""
    upsert(tx, duties, {"name": name}, {"at": at, "detail": detail})


def duty(tx: Tx, name: str) -> tuple[datetime, dict[str, Any] | None] | None:
    """Return when a duty was last done and what it noted, or None."""
    row = _last.first(tx, {"name": name})
    return (row[0], row[1]) if row else None
