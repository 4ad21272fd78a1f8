"""When each scheduled duty last finished, and what it noted: liveness and missed time go by this."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from .database import Tx
from .dialect import upsert
from .schema import duties

TICK = "tick"

_d = duties.c
_last = select(_d.at, _d.detail).where(_d.name == bindparam("name"))


def duty_done(tx: Tx, name: str, *, at: datetime, detail: dict[str, Any] | None = None) -> None:
    """Note that a duty was done."""
    upsert(tx, duties, {"name": name}, {"at": at, "detail": detail})


def duty(tx: Tx, name: str) -> tuple[datetime, dict[str, Any] | None] | None:
    """Return when a duty was last done and what it noted, or None."""
    row = tx.execute(_last, {"name": name}).first()
    return (row[0], row[1]) if row else None
