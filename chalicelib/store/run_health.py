"""How runs, occurrences and the sync are doing: what checks ask of the store.

Every question goes by an index, so that it costs what is wrong or recent and never what exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, func, select

from chalicelib.model.runs import BAD, GOOD, OCCURRENCES, RunState
from chalicelib.terminal.screen import tail_as_shown

from . import log_chunks, registry
from .database import Tx
from .driver import Statement
from .queue import pools
from .schema import QUEUED, RUNNING, attempts, bundle_state, incidents, job_queue, jobs, revisions, word

_i = incidents.c
_q = job_queue.c
_other = job_queue.alias("other")

MOST_IN_A_ROW = 1000  # failures that are counted


@dataclass(frozen=True, slots=True)
class Fault:
    """The last sync's failure: `kind` is fetch, load, held or None; `rejected` the definitions left out."""

    kind: str | None = None
    since: datetime | None = None
    failures: int = 0
    error: str | None = None
    rejected: tuple[dict[str, Any], ...] = ()


def ended_badly(tx: Tx, since: datetime) -> list[str]:
    """Return the jobs of which a run failed, timed out or was missed after an instant."""
    # Not DISTINCT: SQLite would walk through all runs, in the order of their jobs.
    query = select(_q.job_id).where(_q.finished_at > since, _q.state.in_((*BAD, RunState.MISSED)))
    return sorted(set(tx.execute(query).scalars()))


_JUDGED = [word(state) for state in sorted((*GOOD, *BAD))]
_verdicts = (
    select(_q.id, _q.state, _q.error, _q.error_type, _q.finished_at)
    .where(
        _q.job_id == bindparam("job"),
        _q.finished_at.is_not(None),
        _q.state.in_(_JUDGED),
    )
    .order_by(_q.finished_at.desc(), _q.id.desc())
    .limit(bindparam("most"))
)
_last_verdict = Statement(_verdicts)


def last_judged(tx: Tx, job_id: str) -> Any | None:
    """Return (id, state, error, error_type, finished_at) of the job's run that was judged last, or None."""
    return _last_verdict.first(tx, {"job": job_id, "most": 1})


def failures(tx: Tx, job_id: str, *, least: int = 1) -> list[Any]:
    """Return a job's newest failures in a row, the newest first; nothing if there are fewer than `least`."""
    for most in (least, max(least, MOST_IN_A_ROW)):
        found = []
        for row in tx.execute(_verdicts, {"job": job_id, "most": most}):
            if row.state in GOOD:
                break
            found.append(row)
        if len(found) < most or most >= MOST_IN_A_ROW:
            break
    return found if len(found) >= least else []


_late = select(_q.job_id, _q.id, _q.due_at).where(
    _q.state == QUEUED,
    _q.finished_at.is_(None),
    _q.due_at < bindparam("edge"),
    _q.created_at < bindparam("edge"),
    _q.attempt == 0,
    _q.origin.in_(OCCURRENCES),
    pools.room(),  # what waits for its pool is not late
)
_running_beside = select(_other.c.id).where(_other.c.job_id == _q.job_id, _other.c.state == RUNNING).exists()


def late_jobs(tx: Tx, edge: datetime) -> list[str]:
    """Return the jobs with an occurrence due before an instant, while none of their runs is running."""
    query = _late.with_only_columns(_q.job_id).where(~_running_beside).distinct()
    return list(tx.execute(query, {"edge": edge}).scalars())


def late_run(tx: Tx, job_id: str, edge: datetime) -> Any | None:
    """Return (job_id, id, due_at) of a job's first occurrence due before an instant, while none runs."""
    query = _late.where(_q.job_id == bindparam("job"), ~_running_beside).order_by(_q.due_at).limit(1)
    return tx.execute(query, {"edge": edge, "job": job_id}).first()


@dataclass(frozen=True, slots=True)
class Slow:
    """An attempt that takes longer than its job's bound, in seconds."""

    run_id: str
    job_id: str
    attempt: int
    started_at: datetime
    bound: float


# The text only spares reading the other jobs: older records have no bound, and not this text either.
# Not ordered by id: SQLite would then walk through all runs by their ids.
_bounded = (
    select(_q.id, _q.job_id, _q.attempt, attempts.c.started_at)
    .join(attempts, (attempts.c.run_id == _q.id) & (attempts.c.number == _q.attempt))
    .join(jobs, jobs.c.job_id == _q.job_id)
    .where(_q.state == RUNNING, ~jobs.c.record.contains('"slow_after_seconds": null'))
)


def slow(tx: Tx, now: datetime) -> list[Slow]:
    """Return the running attempts that take longer than their jobs' `slow_after_seconds`."""
    found = []
    for row in sorted(tx.execute(_bounded), key=itemgetter(0)):
        job = registry.as_it_is(tx, row.job_id)
        bound = job.spec.slow_after if job is not None else None
        if bound is not None and now - row.started_at > bound:
            found.append(Slow(row.id, row.job_id, row.attempt, row.started_at, bound.total_seconds()))
    return found


# the time that a row stands for: a run of a chain has that of its chain
_scheduled_for = func.coalesce(_q.fire_at, _q.chain_at)
_gaps = (
    select(_q.id, _scheduled_for.label("fire_at"), _q.gap_from, _q.gap_count, _q.reason, _q.finished_at)
    .where(
        _q.job_id == bindparam("job"),
        _q.finished_at.between(bindparam("since"), bindparam("until")),
        _q.state == RunState.MISSED,
    )
    .order_by(_q.fire_at)
)


def gaps(tx: Tx, job_id: str, since: datetime, until: datetime) -> list[Any]:
    """Return (id, fire_at, gap_from, gap_count, reason, finished_at) of gaps recorded in a time."""
    return list(tx.execute(_gaps, {"job": job_id, "since": since, "until": until}))


_gap_end = select(_scheduled_for.label("fire_at"), _q.finished_at).where(_q.id == bindparam("run"))
_executed_after = (
    select(_q.id)
    .where(
        _q.job_id == bindparam("job"),
        _scheduled_for > bindparam("fired", type_=_q.fire_at.type),
        _q.finished_at >= bindparam("ended"),
        _q.state.in_((*GOOD, *BAD)),
    )
    .limit(1)
)


def ran_after_gap(tx: Tx, job_id: str, run_id: str | None) -> bool:
    """Whether an occurrence after a gap was executed, or nothing is known of the gap any more."""
    gap = tx.execute(_gap_end, {"run": run_id}).first()
    if gap is None:
        return True
    return (
        tx.execute(_executed_after, {"job": job_id, "fired": gap.fire_at, "ended": gap.finished_at}).first()
        is not None
    )


def fault(tx: Tx) -> Fault:
    """Return what the last sync said; nothing is wrong before the first."""
    b = bundle_state.c
    row = tx.execute(
        select(b.fault, b.failing_since, b.fault_count, b.last_error, revisions.c.rejected).join(
            revisions, revisions.c.sha == b.active_sha, isouter=True
        )
    ).first()
    return Fault(*row[:4], tuple(row.rejected or ())) if row else Fault()


def log_tail(tx: Tx, run_id: str, chars: int) -> str:
    """Return the end of what a run wrote, as people see it."""
    return tail_as_shown(log_chunks.newest_first(tx, run_id), chars)
