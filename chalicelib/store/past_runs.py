"""What is drawn and counted of runs: how they ended lately, how long they usually take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import ScalarSelect, and_, bindparam, func, literal, select

from chalicelib.model.runs import Run, RunState

from .database import Tx
from .history import as_run, good_seconds
from .schema import NOT_WELL, RUNNING, job_queue, jobs

_q = job_queue.c
_STATES = {str(state): state for state in RunState}  # looking up is cheaper than building


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


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many runs of a job ended in a time, counted up to a limit, and when the first and last did."""

    count: int
    first: datetime
    last: datetime


def crowds(tx: Tx, job_ids: Sequence[str], *, since: datetime, most: int) -> dict[str, Crowd]:
    """Count, up to `most`, the runs of each of these jobs that ended since an instant, from an index alone."""
    q = job_queue.alias()
    mine = and_(q.c.job_id == jobs.c.job_id, q.c.finished_at >= since)
    some = select(literal(1)).where(mine).limit(most).correlate(jobs).subquery()
    query = select(
        jobs.c.job_id,
        select(func.count()).select_from(some).scalar_subquery(),
        select(func.min(q.c.finished_at)).where(mine).correlate(jobs).scalar_subquery(),
        select(func.max(q.c.finished_at)).where(mine).correlate(jobs).scalar_subquery(),
    ).where(jobs.c.job_id.in_(job_ids))
    return {row[0]: Crowd(*row[1:]) for row in tx.execute(query) if row[1]}


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
        query = query.where(NOT_WELL)
    return [Ended(*row[:2], RunState(row[2]), *row[3:]) for row in tx.execute(query)]


def _last_state() -> ScalarSelect[str]:
    q = job_queue.alias()
    started = select(q.c.state).where(q.c.job_id == jobs.c.job_id, q.c.started_at.is_not(None))
    return started.order_by(q.c.id.desc()).limit(1).correlate(jobs).scalar_subquery()


_last_states = select(jobs.c.job_id, _last_state()).where(jobs.c.removed_at.is_(None))
_last_state_of = select(jobs.c.job_id, _last_state()).where(jobs.c.job_id == bindparam("job"))


def last_states(tx: Tx, job_id: str | None = None) -> dict[str, RunState]:
    """Return the state of the run that each job, or one, started last; jobs that never ran are left out.

    It is one search of an index for each job, however many runs there are.
    """
    rows = tx.execute(_last_states) if job_id is None else tx.execute(_last_state_of, {"job": job_id})
    return {row[0]: _STATES[row[1]] for row in rows if row[1] is not None}


def running(tx: Tx) -> list[Run]:
    """Return the runs that are running now, the longest first."""
    query = select(job_queue).where(_q.state == RUNNING).order_by(_q.started_at, _q.id)
    return [as_run(row) for row in tx.execute(query)]


def usual_seconds(tx: Tx, job_id: str) -> float | None:
    """Return the median duration of a job's last hundred good runs, None if it has none."""
    took = good_seconds(tx, job_id)
    return median(took) if took else None
