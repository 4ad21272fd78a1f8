"""Runs entering the queue, and queued runs that are withdrawn because no attempt of theirs began.

The tables make it true: a second insert for one occurrence or idempotency key does nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import and_, bindparam, delete, func, select, update

from chalicelib.model.runs import OCCURRENCES, Run
from chalicelib.store.database import Tx
from chalicelib.store.dialect import insert_of
from chalicelib.store.driver import Statement
from chalicelib.store.history import as_run, by_idempotency_key
from chalicelib.store.postgres.locks import hold_ledger
from chalicelib.store.schema import QUEUED, job_queue, jobs, periods

_q = job_queue.c

# A row of the schedule has no reason. A reason says where a row came from, and nothing else does.
_of_the_schedule = and_(_q.state == QUEUED, _q.attempt == 0, _q.origin.in_(OCCURRENCES), _q.reason.is_(None))


@functools.cache
def _insert(dialect: str, columns: tuple[str, ...], *, returning: bool) -> Statement:
    unless_there = insert_of(dialect, job_queue).on_conflict_do_nothing()
    return Statement(unless_there.returning(job_queue) if returning else unless_there, columns=columns)


def put(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert runs, except for occurrences and idempotency keys that have one; return how many were new.

    All rows have the same columns.
    """
    if not rows:
        return 0
    return _insert(tx.dialect.name, tuple(rows[0]), returning=False).changed_by_each(tx, rows)


def put_requested(tx: Tx, row: Mapping[str, Any]) -> Run:
    """Insert a run that somebody asks for, and return it; or the run that its idempotency key made before."""
    made = _insert(tx.dialect.name, tuple(row), returning=True).first(tx, row)
    if made is not None:
        return as_run(made)
    return cast("Run", by_idempotency_key(tx, row["job_id"], row["idempotency_key"]))


_next_due = Statement(select(func.min(_q.due_at)).where(_q.state == QUEUED, _q.due_at > bindparam("now")))


def next_due(tx: Tx, *, now: datetime) -> datetime | None:
    """Return the earliest due time after `now`: runs due before it wait for something other than time."""
    due: datetime | None = _next_due.value(tx, {"now": now})
    return due


_due_until = Statement(
    select(func.count())
    .select_from(job_queue)
    .where(_q.state == QUEUED, _q.due_at > bindparam("now"), _q.due_at <= bindparam("until"))
)


def due_until(tx: Tx, *, now: datetime, until: datetime) -> int:
    """Return how many runs become due after `now` and up to `until`."""
    runs: int = _due_until.value(tx, {"now": now, "until": until})
    return runs


_bring_back = (
    update(job_queue)
    .where(_q.state == QUEUED, _q.attempt == 0, _q.fire_at.is_(None), _q.due_at > bindparam("now"))
    .values(due_at=bindparam("now"))
)


def bring_back(tx: Tx, *, now: datetime) -> int:
    """Make due what was asked for before the clock was set back: it was due at once. Return how many."""
    return tx.execute(_bring_back, {"now": now}).rowcount


def forget_future(tx: Tx, job_ids: Sequence[str], *, after: datetime) -> None:
    """Delete queued occurrences that were never claimed and fire after `after`; those with a reason stay."""
    for some in (job_ids[i : i + 500] for i in range(0, len(job_ids), 500)):
        tx.execute(delete(job_queue).where(_q.job_id.in_(some), _of_the_schedule, _q.fire_at > after))


_in_force_since = (
    select(periods.c.since).where(periods.c.job_id == _q.job_id, periods.c.until.is_(None)).scalar_subquery()
)
# Occurrences of an earlier schedule are none of these: the schedule in force now would not put them back.
_unclaimed = and_(
    _of_the_schedule,
    _q.fire_at > bindparam("after", type_=_q.fire_at.type),
    _q.job_id.in_(select(jobs.c.job_id).where(jobs.c.enabled, jobs.c.removed_at.is_(None))),
    _q.fire_at > _in_force_since,
)
# Locked, so that none is claimed from here on. What is being claimed right now is passed over.
_mine = select(_q.id).where(_unclaimed).with_for_update(skip_locked=True).cte("mine")
_kept = job_queue.alias("kept")
_last_kept = (
    select(func.max(_kept.c.fire_at))
    .where(
        _kept.c.job_id == _q.job_id,
        _kept.c.fire_at > bindparam("after", type_=_q.fire_at.type),
        _kept.c.id.not_in(select(_mine.c.id)),
    )
    .correlate(job_queue)
    .scalar_subquery()
)
_take_back = (
    delete(job_queue)
    .where(
        _q.id.in_(select(_mine.c.id)),
        _q.fire_at > func.coalesce(_last_kept, bindparam("after", type_=_q.fire_at.type)),
    )
    .returning(_q.job_id, _q.fire_at)
)
_overtaken = (
    select(_q.id, _q.job_id)
    .where(_unclaimed, _q.fire_at <= bindparam("until", type_=_q.fire_at.type))
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Returned:
    """What goes back to the schedule: the first occurrence of each job; and runs (id, job) that cannot."""

    first: Mapping[str, datetime]
    overtaken: Sequence[tuple[str, str]]


def take_back(tx: Tx, *, after: datetime, until: datetime) -> Returned:
    """Delete never claimed occurrences of enabled jobs after an instant, also those that are not due yet.

    One that is followed by an occurrence which has its row for good (it was claimed, or a sync found it
    missed) was overtaken and stays, because the schedule is accounted for in one piece: no row may lie after
    the cursor that goes back to the first. Those up to `until` are returned. Occurrences of an earlier
    schedule and those with a reason stay too.
    """
    hold_ledger(tx)
    first: dict[str, datetime] = {}
    for row in tx.execute(_take_back, {"after": after}):
        first[row.job_id] = min(row.fire_at, first.get(row.job_id, row.fire_at))
    overtaken = tx.execute(_overtaken, {"after": after, "until": until})
    return Returned(first, [(row.id, row.job_id) for row in overtaken])
