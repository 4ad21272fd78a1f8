"""Pauses of everything: nothing starts but what is forced, and occurrences of the time are skipped.

A pause is a row that says since when and until when, and whether somebody ended it. It is in force from its
commit until then, whatever time it began by another clock: the clock of who asks may be behind that one, or
was set back since. An occurrence that was due during a pause goes by its times and is skipped, also if it is
looked at later. Everything else waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, insert, or_, select, update

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


def _lasts(at: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(_p.until.is_(None), _p.until > at)


_NOW = bindparam("now", type_=_p.since.type)
_in_force = and_(~_p.ended, _lasts(_NOW))


def _covers(at: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(_p.since <= at, _lasts(at))


def lets_start() -> ColumnElement[bool]:
    """Say whether no pause keeps a run waiting; what it skips is decided about. Its parameter is `now`."""
    return or_(_q.force, overlap.DROPPABLE, ~exists().where(_in_force))


def stops() -> ColumnElement[bool]:
    """Say whether a pause keeps a run that may be dropped from starting. Its parameter is `now`."""
    return and_(~_q.force, exists().where(or_(_in_force, _covers(_q.due_at))))


_newest = select(_p.since, _p.until, _p.by, _p.reason).order_by(_p.id.desc()).limit(1)
_now_in_force = Statement(_newest.where(_in_force))
_then_in_force = Statement(_newest.where(_covers(_NOW)))
_first_beyond = Statement(
    select(_p.since, _p.until, _p.by, _p.reason).where(_lasts(_NOW)).order_by(_p.id).limit(1)
)


def in_force(tx: Tx, now: datetime) -> Pause | None:
    """Return the pause that nobody has ended and that lasts beyond `now`, or None."""
    row = _now_in_force.first(tx, {"now": now})
    return Pause(*row) if row else None


def at(tx: Tx, instant: datetime) -> Pause | None:
    """Return the pause that an instant lies in by its times, or None."""
    row = _then_in_force.first(tx, {"now": instant})
    return Pause(*row) if row else None


def that_skipped(tx: Tx, decided_at: datetime) -> Pause | None:
    """Return the pause that an occurrence was skipped for at an instant by the clock of who decided.

    The pause may have begun a moment later by its own clock, and was in force all the same.
    """
    row = _first_beyond.first(tx, {"now": decided_at})
    return Pause(*row) if row else None


def begin(tx: Tx, pause: Pause) -> None:
    """Let a pause begin; it takes the place of the one in force."""
    end(tx, now=pause.since)
    tx.execute(insert(pauses).values(since=pause.since, until=pause.until, by=pause.by, reason=pause.reason))


def end(tx: Tx, *, now: datetime) -> bool:
    """End the pause in force; return whether there was one."""
    ends_at = case((_p.since > _NOW, _p.since), else_=_NOW)
    ended = tx.execute(update(pauses).where(_in_force).values(until=ends_at, ended=True), {"now": now})
    return ended.rowcount > 0
