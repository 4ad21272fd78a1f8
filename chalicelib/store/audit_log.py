"""The audit log: one row for each act of a person or a program, in the order of their recording.

Rows are only added, and deleted by retention: too old, or beyond a number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update

from chalicelib.model.acts import Door, Outcome

from .database import Tx
from .driver import Statement
from .schema import audit_log

_c = audit_log.c


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `reason` is the one its sender gave; `detail` says why it was refused.

    `address` is where it came from over the network, `result` what it made or led to.
    """

    id: int
    at: datetime
    who: str
    door: Door
    act: str
    subject: str
    reason: str | None
    outcome: Outcome
    detail: str | None
    address: str | None = None
    result: dict[str, Any] | None = None


_COLUMNS = ("at", "who", "door", "act", "subject", "reason", "outcome", "detail", "address", "result")
_add = Statement(insert(audit_log).returning(_c.id), columns=_COLUMNS)


def add(
    tx: Tx,
    *,
    at: datetime,
    who: str,
    door: Door,
    act: str,
    subject: str,
    reason: str | None,
    outcome: Outcome,
    detail: str | None = None,
    address: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> int:
    """Record one act; return its id."""
    row: dict[str, Any] = {"at": at, "who": who, "door": door, "act": act, "subject": subject}
    row |= {"reason": reason, "outcome": outcome, "detail": detail, "address": address, "result": result}
    made: int = _add.value(tx, row)
    return made


def end(tx: Tx, entry: int, *, done: bool, result: Mapping[str, Any] | None = None) -> None:
    """Note that an act that was recorded at its beginning is done; forget it if it came to nothing."""
    if done:
        tx.execute(update(audit_log).where(_c.id == entry).values(detail=None, result=result))
    else:
        tx.execute(delete(audit_log).where(_c.id == entry))


def entries(
    tx: Tx,
    *,
    who: str | None = None,
    doors: Collection[Door] = (),
    acts: Collection[str] = (),
    subject: str | None = None,
    outcomes: Collection[Outcome] = (),
    since: datetime | None = None,
    limit: int,
    after: int | None = None,
) -> list[Entry]:
    """Return acts from the newest to the oldest, those older than the one with the id `after`."""
    wanted: list[ColumnElement[bool]] = []
    wanted += [_c.who == who] if who is not None else []
    wanted += [_c.door.in_(doors)] if doors else []
    wanted += [_c.act.in_(acts)] if acts else []
    wanted += [_c.subject == subject] if subject is not None else []
    wanted += [_c.outcome.in_(outcomes)] if outcomes else []
    wanted += [_c.at >= since] if since is not None else []
    wanted += [_c.id < after] if after is not None else []
    return _entries(tx, select(audit_log).where(*wanted).order_by(_c.id.desc()).limit(limit))


_later = audit_log.alias("later")


def next_acts(tx: Tx, ids: Sequence[int], acts: Collection[str]) -> dict[int, Entry]:
    """Return, for each of these acts that has one, the next act of these names on the same subject."""
    following = (
        select(_later.c.id)
        .where(_later.c.subject == _c.subject, _later.c.id > _c.id)
        .where(_later.c.act.in_(acts), _later.c.outcome == Outcome.DONE)
        .order_by(_later.c.id)
        .limit(1)
        .correlate(audit_log)
        .scalar_subquery()
    )
    pairs = {row[0]: row[1] for row in tx.execute(select(_c.id, following).where(_c.id.in_(ids)))}
    found = _entries(tx, select(audit_log).where(_c.id.in_([one for one in pairs.values() if one])))
    known = {one.id: one for one in found}
    return {of: known[one] for of, one in pairs.items() if one}


def _entries(tx: Tx, query: Select[Any]) -> list[Entry]:
    return [
        Entry(**{**row, "door": Door(row["door"]), "outcome": Outcome(row["outcome"])})
        for row in tx.execute(query).mappings()
    ]


def times(tx: Tx, *, who: str, door: Door, outcome: Outcome, since: datetime) -> Sequence[datetime]:
    """Return when somebody's acts of one door and outcome were recorded after `since`, oldest first."""
    mine = (_c.who == who) & (_c.door == door) & (_c.outcome == outcome) & (_c.at > since)
    return tx.execute(select(_c.at).where(mine).order_by(_c.at)).scalars().all()


def prune(tx: Tx, *, before: datetime, keep: int, most: int) -> int:
    """Delete up to `most` acts older than `before`, or beyond the `keep` newest; return how many."""
    newest_beyond = select(_c.id).order_by(_c.id.desc()).offset(keep).limit(1).scalar_subquery()
    old = (
        select(_c.id)
        .where((_c.at < before) | (_c.id <= func.coalesce(newest_beyond, 0)))
        .order_by(_c.id)
        .limit(most)
    )
    return tx.execute(delete(audit_log).where(_c.id.in_(old))).rowcount
