"""When each scheduled duty last finished, and what it noted: liveness and missed time go by this."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from chalicelib.clock import iso
from chalicelib.model.liveness import was_set_back

from .database import Tx
from .dialect import upsert
from .driver import Statement
from .schema import duties

TICK = "tick"
_UNTIL = "until"
_SEEN_FOR = timedelta(minutes=15)  # runners whose clocks differ tick in turns: it is told once

_d = duties.c
_last = Statement(select(_d.at, _d.detail).where(_d.name == bindparam("name")))


def duty_done(tx: Tx, name: str, *, at: datetime, detail: dict[str, Any] | None = None) -> None:
    """Note that a duty was done."""
    upsert(tx, duties, {"name": name}, {"at": at, "detail": detail})


def duty(tx: Tx, name: str) -> tuple[datetime, dict[str, Any] | None] | None:
    """Return when a duty was last done and what it noted, or None."""
    row = _last.first(tx, {"name": name})
    return (row[0], row[1]) if row else None


def ticked(tx: Tx, *, at: datetime) -> None:
    """Note a tick, and how far ticks had come if the clock was set back since."""
    last, until = duty(tx, TICK), come_before(tx)
    if last and was_set_back(last[0], at):
        until = max(last[0], until or last[0])
    duty_done(tx, TICK, at=at, detail={_UNTIL: iso(until)} if until and at - until < _SEEN_FOR else None)


def come_before(tx: Tx) -> datetime | None:
    """Return how far ticks had come before the clock was set back, or None if that is over."""
    done = duty(tx, TICK)
    return datetime.fromisoformat(done[1][_UNTIL]) if done and done[1] else None


def furthest_tick(tx: Tx) -> datetime | None:
    """Return how far ticks have come, also before the clock was set back; None if there was none."""
    done = duty(tx, TICK)
    return max(done[0], come_before(tx) or done[0]) if done else None
