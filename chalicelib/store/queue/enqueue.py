"""Runs entering the queue, and queued runs that are withdrawn because no attempt of theirs began.

The tables make it true: a second insert for one occurrence or idempotency key does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, select

from chalicelib.model.runs import OCCURRENCES
from chalicelib.store.database import Tx
from chalicelib.store.dialect import insert
from chalicelib.store.postgres.locks import hold_ledger
from chalicelib.store.schema import QUEUED, job_queue, jobs, periods

_q = job_queue.c
# A row of the schedule has no reason. A reason says where a row came from, and nothing else does.
_of_the_schedule = and_(_q.state == QUEUED, _q.attempt == 0, _q.origin.in_(OCCURRENCES), _q.reason.is_(None))


def put(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert runs, except for occurrences and idempotency keys that have one; return how many were new."""
    if not rows:
        return 0
    return tx.execute(insert(tx, job_queue).on_conflict_do_nothing(), list(rows)).rowcount


_next_due = select(func.min(_q.due_at)).where(_q.state == QUEUED, _q.due_at > bindparam("now"))


def next_due(tx: Tx, *, now: datetime) -> datetime | None:
    """Return the earliest due time after `now`: runs due before it wait for something other than time."""
    due: datetime | None = tx.execute(_next_due, {"now": now}).scalar()
    return due


_due_until = (
    select(func.count())
    .select_from(job_queue)
    .where(_q.state == QUEUED, _q.due_at > bindparam("now"), _q.due_at <= bindparam("until"))
)


def due_until(tx: Tx, *, now: datetime, until: datetime) -> int:
    """Return how many runs become due after `now` and up to `until`."""
    return tx.execute(_due_until, {"now": now, "until": until}).scalar_one()


def forget_future(tx: Tx, job_ids: Sequence[str], *, after: datetime) -> None:
    """Delete queued occurrences that were never claimed and fire after `after`; those with a reason stay."""
    for some in (job_ids[i : i + 500] for i in range(0, len(job_ids), 500)):
        tx.execute(delete(job_queue).where(_q.job_id.in_(some), _of_the_schedule, _q.fire_at > after))


def take_back(tx: Tx, *, after: datetime, until: datetime) -> dict[str, datetime]:
    """Delete never claimed occurrences of enabled jobs in (after, until]; return the first of each job.

    Occurrences of an earlier schedule stay: the schedule in force now would not put them back. Those with a
    reason stay too.
    """
    hold_ledger(tx)
    enabled = select(jobs.c.job_id).where(jobs.c.enabled, jobs.c.removed_at.is_(None))
    in_force_since = (
        select(periods.c.since)
        .where(periods.c.job_id == _q.job_id, periods.c.until.is_(None))
        .scalar_subquery()
    )
    gone = tx.execute(
        delete(job_queue)
        .where(
            _of_the_schedule,
            _q.fire_at > after,
            _q.fire_at <= until,
            _q.job_id.in_(enabled),
            _q.fire_at > in_force_since,
        )
        .returning(_q.job_id, _q.fire_at)
    )
    first: dict[str, datetime] = {}
    for row in gone:
        first[row.job_id] = min(row.fire_at, first.get(row.job_id, row.fire_at))
    return first
