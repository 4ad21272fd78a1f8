"""What tells that a page has changed: some numbers of the store, each read by an index or from a small table.

Two equal marks mean that nothing that a page shows was written in between. A mark costs a few statements, so
browsers may ask for it every few seconds.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from sqlalchemy import func, select

from .database import Tx
from .schema import (
    QUEUED,
    RUNNING,
    attempts,
    audit_log,
    bundle_state,
    incidents,
    job_queue,
    log_chunks,
    overrides,
    runners,
    standings,
)

Mark = tuple[Any, ...]

_q = job_queue.c
_i = incidents.c
_everything = select(
    select(func.max(_q.id)).scalar_subquery(),
    select(func.max(_q.finished_at)).where(_q.finished_at.is_not(None)).scalar_subquery(),
    select(func.count()).where(_q.state == QUEUED).scalar_subquery(),
    select(func.min(_q.due_at)).where(_q.state == QUEUED).scalar_subquery(),
    select(func.max(_q.due_at)).where(_q.state == QUEUED).scalar_subquery(),
    select(func.max(standings.c.id)).scalar_subquery(),
    select(func.max(overrides.c.at)).scalar_subquery(),
    select(func.count()).select_from(overrides).scalar_subquery(),
    select(func.max(audit_log.c.id)).scalar_subquery(),
    select(func.max(_i.id)).scalar_subquery(),
    select(func.max(_i.ended_at)).scalar_subquery(),
    select(func.count(_i.told_at)).where(_i.ended_at.is_(None)).scalar_subquery(),
    select(func.count()).select_from(runners).scalar_subquery(),
    select(func.count()).where(runners.c.draining).scalar_subquery(),
)
_schedules = select(
    select(func.max(standings.c.id)).scalar_subquery(),
    select(func.max(audit_log.c.id)).scalar_subquery(),
)
# Not ordered by id: SQLite would then walk through all runs by their ids.
_running = select(_q.id, _q.attempt, _q.progress, _q.progress_note, _q.cancel_reason).where(
    _q.state == RUNNING
)
_bundle = select(
    bundle_state.c.active_sha,
    bundle_state.c.pinned_ref,
    bundle_state.c.last_sync,
    bundle_state.c.last_error,
    bundle_state.c.consecutive_failures,
)


def of_everything(tx: Tx) -> Mark:
    """Return the mark of the pages about all jobs and runs."""
    return (
        *tx.execute(_everything).one(),
        *sorted((tuple(row) for row in tx.execute(_running)), key=itemgetter(0)),
        *(tuple(row) for row in tx.execute(_bundle)),
    )


def of_what_comes(tx: Tx) -> Mark:
    """Return the mark of the page of what comes next, which runs that begin and end do not change at once."""
    return (*tx.execute(_schedules).one(), *(tuple(row) for row in tx.execute(_bundle)))


def anything_runs(tx: Tx) -> bool:
    """Return whether a run is in progress."""
    return tx.execute(_running.limit(1)).first() is not None


def of_run(tx: Tx, run_id: str) -> Mark:
    """Return the mark of the page of one run; an unknown run has one too."""
    row = tx.execute(
        select(
            _q.state,
            _q.attempt,
            _q.due_at,
            _q.finished_at,
            _q.progress,
            _q.progress_note,
            _q.cancel_reason,
            select(func.max(log_chunks.c.id)).where(log_chunks.c.run_id == run_id).scalar_subquery(),
            select(func.count(attempts.c.finished_at)).where(attempts.c.run_id == run_id).scalar_subquery(),
            select(func.max(_i.id)).scalar_subquery(),
            select(func.max(_i.ended_at)).scalar_subquery(),
        ).where(_q.id == run_id)
    ).first()
    return tuple(row) if row else ()
