"""Which runs a message is sent for, and until when it is believed to be on its way.

Nothing depends on it but the number of messages: one too many finds nothing to claim, and for one that was
lost the next tick sends another, after pauses that grow while a run waits.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select, update

from chalicelib.store.database import Tx
from chalicelib.store.schema import QUEUED, RUNNING, job_queue, jobs

from . import overlap, pauses, pools

_q = job_queue.c
_undispatched = (
    select(_q.id, _q.due_at)
    .join(jobs, jobs.c.job_id == _q.job_id, isouter=True)
    .where(
        _q.state == QUEUED,
        _q.due_at <= bindparam("horizon"),
        or_(_q.dispatched_until.is_(None), _q.dispatched_until <= bindparam("now")),
        overlap.worth_a_message(),
        pools.room(),
        pauses.lets_start(),
    )
    .order_by(_q.due_at, _q.id)
    .limit(bindparam("most"))
    .with_for_update(of=job_queue, skip_locked=True)
)
_mark = (
    update(job_queue)
    .where(_q.id == bindparam("run"), _q.state == QUEUED)
    .values(dispatched_until=bindparam("until"))
)


def reserve(
    tx: Tx, *, now: datetime, horizon: datetime, at_least: timedelta, most: int
) -> list[tuple[str, datetime]]:
    """Return id and due time of runs due until `horizon` without a message in flight, and note one for each.

    It counts as in flight for `at_least` after the due time, or for as long again as the run has waited.
    """
    runs = [
        (row.id, row.due_at)
        for row in tx.execute(_undispatched, {"now": now, "horizon": horizon, "most": most})
    ]
    if runs:
        tx.execute(
            _mark,
            [{"run": run_id, "until": max(now, due) + max(at_least, now - due)} for run_id, due in runs],
        )
    return runs


def let_go(tx: Tx, run_ids: Collection[str]) -> None:
    """Note that no message for these runs is in flight: those still queued get another."""
    tx.execute(update(job_queue).where(_q.id.in_(run_ids), _q.state == QUEUED).values(dispatched_until=None))


def stuck(tx: Tx, *, since: datetime) -> bool:
    """Say whether a run that could start has been due since before an instant while nothing ran."""
    waits = (
        select(_q.id)
        .join(jobs, jobs.c.job_id == _q.job_id)
        .where(_q.state == QUEUED, _q.due_at < since, pauses.lets_start(), pools.room())
        .limit(1)
    )
    runs = select(_q.id).where(_q.state == RUNNING).limit(1)
    return tx.execute(waits, {"now": since}).first() is not None and tx.execute(runs).first() is None
