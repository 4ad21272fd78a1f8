"""Pauses of everything: nothing starts but what is forced, and occurrences of the time are skipped.

A pause is a row that says since when and until when. What it means for a run goes by these times, not by when
a worker had time to look: an occurrence that was due during a pause is skipped, also if it is looked at
later. Everything else waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, insert, or_, select, update

from chalicelib.model.runs import RunState
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.schema import job_queue, pauses

from . import overlap

PAUSED = "paused"  # the reason of an occurrence that a pause kept from starting

_q = job_queue.c
_p = pauses.c


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause: since when, by whom, why, and until when (None: until somebody ends it)."""

    since: datetime
    until: datetime | None
    by: str | None
    reason: str | None


def _in_force(at: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(_p.since <= at, or_(_p.until.is_(None), _p.until > at))


def _now() -> ColumnElement[datetime]:
    return bindparam("now", type_=_p.since.type)


def lets_start() -> ColumnElement[bool]:
    """Say whether no pause keeps a run waiting; what it skips is decided about. Its parameter is `now`."""
    return or_(_q.force, overlap.DROPPABLE, ~_in_force(_now()))


def skips() -> ColumnElement[bool]:
    """Say whether a run is an occurrence that a pause keeps from starting. Its parameter is `now`."""
    return and_(overlap.DROPPABLE, ~_q.force, or_(_in_force(_now()), _in_force(_q.due_at)))


def verdict(row: Any) -> tuple[RunState, str] | None:
    """Return how a candidate ends that a pause keeps from starting, None if it may start."""
    return (RunState.SKIPPED, PAUSED) if row.paused else None


_at = Statement(
    select(_p.since, _p.until, _p.by, _p.reason)
    .where(_p.since <= _now(), or_(_p.until.is_(None), _p.until > _now()))
    .order_by(_p.id.desc())
    .limit(1)
)


def at(tx: Tx, instant: datetime) -> Pause | None:
    """Return the pause that is or was in force at an instant, or None."""
    row = _at.first(tx, {"now": instant})
    return Pause(*row) if row else None


def begin(tx: Tx, pause: Pause) -> None:
    """Let a pause begin; it takes the place of the one in force."""
    end(tx, now=pause.since)
    tx.execute(insert(pauses).values(since=pause.since, until=pause.until, by=pause.by, reason=pause.reason))


def end(tx: Tx, *, now: datetime) -> bool:
    """End the pause in force; return whether there was one."""
    ended = tx.execute(
        update(pauses).where(_p.since <= now, or_(_p.until.is_(None), _p.until > now)).values(until=now)
    )
    return ended.rowcount > 0
