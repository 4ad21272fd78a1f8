"""Reading runs and attempts, and pruning what is old.

Pages go from the newest run to the oldest by id (ids sort by creation), so that paging is stable while runs
are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, select, update

from chalicelib.model.runs import EXECUTED, FINAL, Attempt, JobId, Origin, Outcome, Run, RunId, RunState
from chalicelib.store.postgres.engine import hold_ledger

from .database import Tx
from .schema import attempts, job_queue, jobs, log_chunks

AT_ONCE = 500  # jobs asked for in one statement
_q = job_queue.c


def as_run(row: Any) -> Run:
    """Build the value from a row that holds all columns of the table."""
    return Run(
        id=RunId(row.id),
        job_id=JobId(row.job_id),
        state=RunState(row.state),
        origin=Origin(row.origin),
        fire_at=row.fire_at,
        due_at=row.due_at,
        gap_from=row.gap_from,
        gap_count=row.gap_count,
        revision=row.revision,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        params=row.params,
        requested_by=row.requested_by,
        reason=row.reason,
        force=row.force,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        error_type=row.error_type,
        result=row.result,
        progress=row.progress,
        progress_note=row.progress_note,
        cancel_reason=row.cancel_reason,
        lease_owner=row.lease_owner,
        lease_generation=row.lease_generation,
        lease_beat=row.lease_beat,
    )


_one = select(job_queue).where(_q.id == bindparam("run"))
_by_key = select(job_queue).where(_q.job_id == bindparam("job"), _q.idempotency_key == bindparam("key"))


def run(tx: Tx, run_id: str) -> Run | None:
    """Return one run, or None."""
    row = tx.execute(_one, {"run": run_id}).first()
    return as_run(row) if row else None


def by_idempotency_key(tx: Tx, job_id: str, key: str) -> Run | None:
    """Return the run that an earlier trigger with this key made, or None."""
    row = tx.execute(_by_key, {"job": job_id, "key": key}).first()
    return as_run(row) if row else None


def runs(
    tx: Tx,
    *,
    job_id: str | None = None,
    states: Sequence[RunState] = (),
    since: datetime | None = None,
    limit: int = 50,
    after: str | None = None,
) -> list[Run]:
    """Return runs from the newest to the oldest, at most `limit`; `after` is the last id of the page before.

    Occurrences that are not due yet are listed too, in state queued. `since` looks at when a run was due.
    """
    query = select(job_queue).order_by(_q.id.desc()).limit(limit)
    if job_id is not None:
        query = query.where(_q.job_id == job_id)
    if states:
        query = query.where(_q.state.in_(states))
    if since is not None:
        query = query.where(_q.due_at >= since)
    if after is not None:
        query = query.where(_q.id < after)
    return [as_run(row) for row in tx.execute(query)]


def last_runs(tx: Tx, job_ids: Sequence[str]) -> dict[JobId, Run]:
    """Return for each job the run that started last (running or executed); jobs that never ran are left out."""
    found: dict[JobId, Run] = {}
    q = job_queue.alias()
    started = (
        select(q.c.id)
        .where(q.c.job_id == jobs.c.job_id, q.c.started_at.is_not(None))
        .order_by(q.c.id.desc())
        .limit(1)
    )
    for begin in range(0, len(job_ids), AT_ONCE):
        newest = select(started.correlate(jobs).scalar_subquery()).where(
            jobs.c.job_id.in_(job_ids[begin : begin + AT_ONCE])
        )
        found |= {
            run.job_id: run for run in map(as_run, tx.execute(select(job_queue).where(_q.id.in_(newest))))
        }
    return found


def attempts_of(tx: Tx, run_id: str) -> list[Attempt]:
    """Return a run's attempts in their order."""
    rows = tx.execute(select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number))
    return [
        Attempt(
            number=row.number,
            started_at=row.started_at,
            finished_at=row.finished_at,
            outcome=Outcome(row.outcome) if row.outcome else None,
            runner=row.runner,
            exit_code=row.exit_code,
            signal=row.signal,
            error=row.error,
            error_type=row.error_type,
            max_rss_kb=row.max_rss_kb,
            cpu_seconds=row.cpu_seconds,
        )
        for row in rows
    ]


def counts(tx: Tx) -> dict[str, int]:
    """Return how many runs are queued and running now."""
    rows = tx.execute(select(_q.state, func.count()).where(_q.finished_at.is_(None)).group_by(_q.state))
    found = {row[0]: row[1] for row in rows}
    return {"queued": found.get(RunState.QUEUED, 0), "running": found.get(RunState.RUNNING, 0)}


def executed(tx: Tx, job_id: str, *, limit: int = 100) -> list[Run]:
    """Return the newest executed runs of a job: what success rate and durations are computed from."""
    return runs(tx, job_id=job_id, states=tuple(EXECUTED), limit=limit)


_ended = and_(_q.finished_at > bindparam("since"), _q.finished_at <= bindparam("until"))


def tally(tx: Tx, *, since: datetime, until: datetime) -> list[tuple[str, str, int]]:
    """Return (job id, state, count) of the occurrences and triggers that ended in a time; a gap counts what it stands for."""
    many = func.sum(case((_q.gap_count > 0, _q.gap_count), else_=1))
    query = select(_q.job_id, _q.state, many).where(_ended).group_by(_q.job_id, _q.state).order_by(_q.job_id)
    return [(row[0], row[1], int(row[2])) for row in tx.execute(query, {"since": since, "until": until})]


def failed(tx: Tx, *, since: datetime, until: datetime, most: int) -> list[Run]:
    """Return the runs that failed for good in a time, the newest first."""
    query = select(job_queue).where(_ended, _q.state.in_((RunState.FAILED, RunState.TIMED_OUT)))
    rows = tx.execute(query.order_by(_q.finished_at.desc()).limit(most), {"since": since, "until": until})
    return [as_run(row) for row in rows]


def first_attempts(tx: Tx, *, since: datetime, until: datetime, most: int) -> list[Run]:
    """Return the occurrences that ended in a time at their first attempt: their due time tells how late they started."""
    query = select(job_queue).where(_ended, _q.attempt == 1, _q.origin == Origin.SCHEDULE)
    rows = tx.execute(query.order_by(_q.finished_at.desc()).limit(most), {"since": since, "until": until})
    return [as_run(row) for row in rows]


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` final runs that ended before an instant, with their attempts and logs; return how many."""
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
