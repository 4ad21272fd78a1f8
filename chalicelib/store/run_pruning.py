"""Deleting runs that are too old, or more than a job keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from chalicelib.model.runs import FINAL
from chalicelib.store.postgres.locks import hold_ledger

from .database import Tx
from .schema import attempts, job_queue, jobs, log_chunks

_q = job_queue.c


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` runs that ended before an instant, with attempts and logs; return how many."""
    old = tx.execute(
        select(_q.id, _q.job_id, _q.fire_at)
        .where(_q.finished_at < before)
        .order_by(_q.finished_at)
        .limit(most)
    ).all()
    return _delete(tx, old)


def prune_job(tx: Tx, job_id: str, *, keep: int, most: int) -> int:
    """Delete up to `most` of a job's final runs beyond the newest `keep`; return how many."""
    edge = tx.execute(
        select(_q.finished_at)
        .where(_q.job_id == job_id, _q.state.in_(tuple(FINAL)))
        .order_by(_q.finished_at.desc())
        .offset(keep)
        .limit(1)
    ).scalar()
    if edge is None:
        return 0
    old = tx.execute(
        select(_q.id, _q.job_id, _q.fire_at)
        .where(_q.job_id == job_id, _q.finished_at <= edge)
        .order_by(_q.finished_at)
        .limit(most)
    ).all()
    return _delete(tx, old)


def crowded_jobs(tx: Tx, *, keep: int) -> list[str]:
    """Return the jobs that hold more than `keep` runs."""
    return list(tx.execute(select(_q.job_id).group_by(_q.job_id).having(func.count() > keep)).scalars())


def _delete(tx: Tx, old: Sequence[Any]) -> int:
    """Delete these runs; from then on the ledger of their jobs begins after the newest of them."""
    if not old:
        return 0
    hold_ledger(tx)
    ids = [row.id for row in old]
    tx.execute(delete(log_chunks).where(log_chunks.c.run_id.in_(ids)))
    tx.execute(delete(attempts).where(attempts.c.run_id.in_(ids)))
    tx.execute(delete(job_queue).where(_q.id.in_(ids)))
    edges: dict[str, datetime] = {}
    for row in old:
        if row.fire_at is not None:
            edges[row.job_id] = max(row.fire_at, edges.get(row.job_id, row.fire_at))
    for job_id, edge in edges.items():
        tx.execute(
            update(jobs).where(jobs.c.job_id == job_id, jobs.c.ledger_from < edge).values(ledger_from=edge)
        )
    return len(ids)
