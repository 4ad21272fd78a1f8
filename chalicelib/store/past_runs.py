"""What is drawn and counted of runs: how they ended lately, how long they usually take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import func, select

from chalicelib.model.runs import Run, RunState

from .database import Tx
from .history import as_run, good_seconds
from .schema import RUNNING, job_queue

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class Ended:
    """What a timeline draws of a run that ended: its state, when it was due, began and ended, and why."""

    job_id: str
    id: str
    state: RunState
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime
    gap_from: datetime | None
    gap_count: int
    why: str | None


def count_ended(tx: Tx, job_ids: Sequence[str], *, since: datetime) -> dict[str, int]:
    """Count the runs of each of these jobs that ended since an instant. Only the index is read."""
    query = (
        select(_q.job_id, func.count())
        .where(_q.job_id.in_(job_ids), _q.finished_at >= since)
        .group_by(_q.job_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def ended(tx: Tx, job_ids: Sequence[str], *, since: datetime, bad_only: bool, most: int) -> list[Ended]:
    """Return the runs of these jobs that ended since an instant, the newest first, at most `most`.

    With `bad_only`, those that succeeded are left out.
    """
    query = (
        select(
            _q.job_id,
            _q.id,
            _q.state,
            _q.due_at,
            _q.started_at,
            _q.finished_at,
            _q.gap_from,
            _q.gap_count,
            func.coalesce(_q.error, _q.reason),
        )
        .where(_q.job_id.in_(job_ids), _q.finished_at >= since)
        .order_by(_q.finished_at.desc())
        .limit(most)
    )
    if bad_only:
        query = query.where(_q.state != RunState.SUCCEEDED)
    return [Ended(*row[:2], RunState(row[2]), *row[3:]) for row in tx.execute(query)]


def running(tx: Tx) -> list[Run]:
    """Return the runs that are running now, the longest first."""
    query = select(job_queue).where(_q.state == RUNNING).order_by(_q.started_at, _q.id)
    return [as_run(row) for row in tx.execute(query)]


def usual_seconds(tx: Tx, job_id: str) -> float | None:
    """Return the median duration of a job's last hundred good runs, None if it has none."""
    took = good_seconds(tx, job_id)
    return median(took) if took else None
