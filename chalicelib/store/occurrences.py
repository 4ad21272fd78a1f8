"""The ledger's rows around an instant: what became of one occurrence, and what else its job did then.

Every statement goes by an index and returns a bounded number of rows, however long the history is.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, or_, select, union_all

from chalicelib.model.runs import Run, RunState

from .database import Tx
from .history import as_run
from .queue import overlap
from .schema import QUEUED, job_queue

MOST = 5  # rows of a kind
_q = job_queue.c
_o = job_queue.alias("other").c


def at(tx: Tx, job_id: str, instant: datetime) -> Run | None:
    """Return the row of the occurrence at an instant, or the row of the gap around it, or None."""
    row = tx.execute(select(job_queue).where(_q.job_id == job_id, _q.fire_at == instant)).first()
    if row is None:
        around = and_(_q.job_id == job_id, _q.fire_at > instant, _q.gap_from <= instant)
        row = tx.execute(select(job_queue).where(around).order_by(_q.fire_at).limit(1)).first()
    if row is None:
        of_chain = (_q.job_id == job_id, _q.chain_key.is_not(None), _q.chain_at == instant)
        row = tx.execute(select(job_queue).where(*of_chain).limit(1)).first()
    return as_run(row) if row else None


def last_of_chain(tx: Tx, job_id: str) -> Run | None:
    """Return the newest row of a job that stands for an occurrence of the jobs it follows, or None."""
    found = select(job_queue).where(_q.job_id == job_id, _q.chain_key.is_not(None))
    row = tx.execute(found.order_by(_q.id.desc()).limit(1)).first()
    return as_run(row) if row else None


def last(tx: Tx, job_id: str, *, until: datetime) -> Run | None:
    """Return the row of a job's newest occurrence up to an instant, or None."""
    found = select(job_queue).where(_q.job_id == job_id, _q.fire_at <= until)
    row = tx.execute(found.order_by(_q.fire_at.desc()).limit(1)).first()
    return as_run(row) if row else None


def first_after(tx: Tx, job_id: str, instant: datetime) -> Run | None:
    """Return the row of a job's first occurrence after an instant, or None."""
    found = select(job_queue).where(_q.job_id == job_id, _q.fire_at > instant)
    row = tx.execute(found.order_by(_q.fire_at).limit(1)).first()
    return as_run(row) if row else None


def by_hand(tx: Tx, job_id: str, *, since: datetime, until: datetime) -> list[Run]:
    """Return the newest runs of a job that people asked for in a time, the oldest of them first."""
    asked = and_(_q.job_id == job_id, _q.fire_at.is_(None), _q.created_at >= since, _q.created_at <= until)
    found = tx.execute(select(job_queue).where(asked).order_by(_q.id.desc()).limit(MOST)).all()
    return [as_run(row) for row in reversed(found)]


def going_on(tx: Tx, job_id: str, instant: datetime, *, but: str | None = None) -> Run | None:
    """Return a run of the job, but for one, that had begun and was not over at an instant, or None."""
    begun = select(_q.id).where(_q.job_id == job_id, _q.started_at <= instant, _q.id != (but or ""))
    then = union_all(*(begun.where(one) for one in overlap.not_over(_q, instant)))
    row = tx.execute(select(job_queue).where(_q.id.in_(then)).order_by(_q.started_at).limit(1)).first()
    return as_run(row) if row else None


def unfinished(tx: Tx, job_id: str, *, now: datetime) -> list[Run]:
    """Return the runs of a job that are running, or queued and due, the one that is due longest first."""
    here = and_(
        _q.job_id == job_id,
        _q.finished_at.is_(None),
        or_(_q.state == RunState.RUNNING, _q.due_at <= now),
    )
    return [as_run(row) for row in tx.execute(select(job_queue).where(here).order_by(_q.due_at).limit(MOST))]


def waiting(tx: Tx, *, most: int) -> list[tuple[Run, bool]]:
    """Return the queued runs of all jobs, those that are due first, at most `most`.

    Beside each stands whether a run of its job that has ended since was not over when it fell due.
    """
    queued = select(job_queue, overlap.ended_too_late().label("was_busy")).where(_q.state == QUEUED)
    return [(as_run(row), row.was_busy) for row in tx.execute(queued.order_by(_q.due_at).limit(most))]


def due_before(tx: Tx, run: Run) -> int:
    """Count the runs of all jobs that are queued and due before a run."""
    earlier = or_(_q.due_at < run.due_at, and_(_q.due_at == run.due_at, _q.id < run.id))
    found: int = tx.execute(select(func.count()).where(_q.state == RunState.QUEUED, earlier)).scalar_one()
    return found
