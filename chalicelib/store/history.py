"""Reading runs and attempts.

Pages go from the newest run to the oldest by id (ids sort by creation), so that paging is stable while runs
are added.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select

from chalicelib.errors import AmbiguousRunError, UnknownRunError
from chalicelib.model import usage
from chalicelib.model.runs import (
    EXECUTED,
    GOOD,
    Attempt,
    JobId,
    Origin,
    Outcome,
    Run,
    RunId,
    RunState,
    ids_with,
)

from . import run_choice
from .database import Tx
from .driver import Statement
from .schema import QUEUED, attempts, job_queue, jobs, word

AT_ONCE = 500  # jobs asked for in one statement
LOOKED_AT = 5000  # runs in which a text is looked for at once
MATCHES_SHOWN = 10  # runs that an ambiguous id names
BEGINNING = 500  # characters of an error or a reason
_q = job_queue.c


_run_fields = attrgetter(*(field.name for field in fields(Run)))
_attempt_fields = attrgetter(*(field.name for field in fields(Attempt)))


def as_run(row: Any) -> Run:
    """Build the value from a row that holds all columns of the table, which are named like its fields."""
    run_id, job_id, state, origin, *others = _run_fields(row)
    return Run(RunId(run_id), JobId(job_id), RunState(state), Origin(origin), *others)


def as_attempt(row: Any) -> Attempt:
    """Build the value from a row of the table `attempts`."""
    number, started_at, finished_at, outcome, *others, used = _attempt_fields(row)
    others.append(usage.of_json(used))
    return Attempt(number, started_at, finished_at, Outcome(outcome) if outcome else None, *others)


_one = Statement(select(job_queue).where(_q.id == bindparam("run")))
_in_range = (
    select(job_queue)
    .where(_q.id.between(bindparam("low"), bindparam("high")))
    .order_by(_q.id.desc())
    .limit(bindparam("most"))
)
_by_key = Statement(
    select(job_queue).where(_q.job_id == bindparam("job"), _q.idempotency_key == bindparam("key"))
)


def run(tx: Tx, run_id: str) -> Run | None:
    """Return one run, or None."""
    row = _one.first(tx, {"run": run_id})
    return as_run(row) if row else None


def jobs_of(tx: Tx, run_ids: Sequence[str]) -> dict[str, str]:
    """Return the job of each of these runs; runs that are not there are left out."""
    if not run_ids:
        return {}
    return {row.id: row.job_id for row in tx.execute(select(_q.id, _q.job_id).where(_q.id.in_(run_ids)))}


@dataclass(frozen=True, slots=True)
class RunInBrief:
    """How a run stands, without what it was given, returned and reports."""

    id: str
    state: RunState
    due_at: datetime
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    reason: str | None
    cancel_reason: str | None


_cut = {text.name: func.substr(text, 1, BEGINNING).label(text.name) for text in (_q.error, _q.reason)}
_brief = select(*(_cut.get(field.name, _q[field.name]) for field in fields(RunInBrief)))


def in_brief(tx: Tx, run_ids: Collection[str]) -> dict[str, RunInBrief]:
    """Return how each of these runs stands, with the beginnings of its texts; those not kept are left out."""
    rows = tx.execute(_brief.where(_q.id.in_(run_ids))).mappings()
    return {row["id"]: RunInBrief(**{**row, "state": RunState(row["state"])}) for row in rows}


def find(tx: Tx, given: str) -> Run:
    """Return the run with this id, or the one run whose id begins so.

    Raises UnknownRunError, AmbiguousRunError. The index of the ids is searched for a range.
    """
    if found := run(tx, given):
        return found
    if (ids := ids_with(given)) is None:
        raise UnknownRunError(given)
    rows = tx.execute(_in_range, {"low": ids[0], "high": ids[1], "most": MATCHES_SHOWN + 1}).all()
    if not rows:
        raise UnknownRunError(given)
    if len(rows) > 1:
        shown = [row.id for row in rows[:MATCHES_SHOWN]]
        raise AmbiguousRunError(given, shown, more=len(rows) > MATCHES_SHOWN)
    return as_run(rows[0])


def by_idempotency_key(tx: Tx, job_id: str, key: str) -> Run | None:
    """Return the run that an earlier trigger with this key made, or None."""
    row = _by_key.first(tx, {"job": job_id, "key": key})
    return as_run(row) if row else None


def runs(
    tx: Tx,
    *,
    job_id: str | None = None,
    states: Sequence[RunState] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    after: str | None = None,
) -> list[Run]:
    """Return runs from the newest to the oldest, at most `limit`; `after` is the last id of the page before.

    Occurrences that are not due yet are listed too, in state queued. `since` and `until` (not
    included) look at when a run was due.
    """
    return _of(
        tx,
        run_choice.newest(
            tx, job_id=job_id, states=states, since=since, until=until, after=after, most=limit
        ),
    )


def _of(tx: Tx, ids: Sequence[str], *also: ColumnElement[bool], limit: int | None = None) -> list[Run]:
    query = select(job_queue).where(_q.id.in_(ids), *also).order_by(_q.id.desc()).limit(limit)
    return [as_run(row) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class Found:
    """Runs that hold a text, and the last run that was looked at, None if none is older."""

    runs: list[Run]
    looked_until: str | None


def search(tx: Tx, wanted: str, *, limit: int, **asked: Any) -> Found:
    """Look for a text in the newest runs that are chosen as `runs` does, at most in `LOOKED_AT` of them.

    `wanted` is a part of the job's id, the error, its type, the reason or the sender's name, in capital or
    small letters. There is no index of texts, so a search goes on page by page.
    """
    among = run_choice.newest(tx, most=LOOKED_AT, **asked)
    texts = (_q.job_id, _q.error, _q.error_type, _q.reason, _q.requested_by)
    holds = or_(*(one.icontains(wanted, autoescape=True) for one in texts))
    found = _of(tx, among, holds, limit=limit)
    return Found(found, among[-1] if len(among) == LOOKED_AT else None)


_started = job_queue.alias()
_newest_started = (
    select(_started.c.id)
    .where(_started.c.job_id == jobs.c.job_id, _started.c.started_at.is_not(None))
    .order_by(_started.c.id.desc())
    .limit(1)
    .correlate(jobs)
    .scalar_subquery()
)
_last = select(job_queue).where(
    _q.id.in_(select(_newest_started).where(jobs.c.job_id.in_(bindparam("some", expanding=True))))
)


def last_runs(tx: Tx, job_ids: Sequence[str]) -> dict[JobId, Run]:
    """Return for each job the run that started last; jobs that never ran are left out."""
    found: dict[JobId, Run] = {}
    for begin in range(0, len(job_ids), AT_ONCE):
        rows = tx.execute(_last, {"some": job_ids[begin : begin + AT_ONCE]})
        found |= {run.job_id: run for run in map(as_run, rows)}
    return found


def attempts_of(tx: Tx, run_id: str) -> list[Attempt]:
    """Return a run's attempts in their order."""
    rows = tx.execute(select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number))
    return [as_attempt(row) for row in rows]


_counts = select(
    *(
        select(func.count()).where(_q.state == word(state)).scalar_subquery().label(state)
        for state in (RunState.QUEUED, RunState.RUNNING)
    )
)


def counts(tx: Tx) -> dict[str, int]:
    """Return how many runs are queued and running now."""
    return dict(tx.execute(_counts).mappings().one())


def oldest_due(tx: Tx, *, now: datetime) -> datetime | None:
    """Return since when the run waits that is due longest, or None if none is due."""
    query = select(func.min(_q.due_at)).where(_q.state == QUEUED, _q.due_at <= now)
    due: datetime | None = tx.execute(query).scalar()
    return due


_executed = Statement(
    select(job_queue)
    .where(_q.job_id == bindparam("job"), _q.state.in_([word(state) for state in sorted(EXECUTED)]))
    .order_by(_q.id.desc())
    .limit(bindparam("most"))
)


def executed(tx: Tx, job_id: str, *, limit: int = 100) -> list[Run]:
    """Return the newest executed runs of a job: what success rate and durations are computed from."""
    return [as_run(row) for row in _executed.all(tx, {"job": job_id, "most": limit})]


_good = (
    select(_q.started_at, _q.finished_at)
    .where(_q.job_id == bindparam("job"), _q.finished_at.is_not(None), _q.state.in_(GOOD))
    .order_by(_q.finished_at.desc(), _q.id.desc())
    .limit(bindparam("most"))
)


def good_seconds(tx: Tx, job_id: str, *, most: int = 100) -> list[float]:
    """Return how many seconds a job's newest good runs took, retries and the waits between them included."""
    return [
        (finished - started).total_seconds()
        for started, finished in tx.execute(_good, {"job": job_id, "most": most})
        if started is not None
    ]


_ended = and_(_q.finished_at > bindparam("since"), _q.finished_at <= bindparam("until"))


def tally(tx: Tx, *, since: datetime, until: datetime) -> list[tuple[str, str, int]]:
    """Return (job id, state, count) of the runs that ended in a time; a gap counts its occurrences."""
    many = func.sum(case((_q.gap_count > 0, _q.gap_count), else_=1))
    query = select(_q.job_id, _q.state, many).where(_ended).group_by(_q.job_id, _q.state).order_by(_q.job_id)
    return [(row[0], row[1], int(row[2])) for row in tx.execute(query, {"since": since, "until": until})]


def failed(tx: Tx, *, since: datetime, until: datetime, most: int) -> list[Run]:
    """Return the runs that failed for good in a time, the newest first."""
    query = select(job_queue).where(_ended, _q.state.in_((RunState.FAILED, RunState.TIMED_OUT)))
    rows = tx.execute(query.order_by(_q.finished_at.desc()).limit(most), {"since": since, "until": until})
    return [as_run(row) for row in rows]


def first_attempts(tx: Tx, *, since: datetime, until: datetime, most: int) -> list[Run]:
    """Return occurrences that ended at their first attempt; due times tell how late they started."""
    query = select(job_queue).where(_ended, _q.attempt == 1, _q.origin == Origin.SCHEDULE)
    rows = tx.execute(query.order_by(_q.finished_at.desc()).limit(most), {"since": since, "until": until})
    return [as_run(row) for row in rows]
