"""What is drawn and counted of runs: how they ended lately, how long they usually take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    cast,
    extract,
    func,
    literal,
    select,
    union,
)

from chalicelib.model import usage
from chalicelib.model.jobs import BUNDLE
from chalicelib.model.runs import BAD, GOOD, Run, RunState
from chalicelib.model.usage import Usage

from .database import Tx
from .history import AT_ONCE, as_run, good_seconds
from .schema import NOT_WELL, RUNNING, attempts, job_queue, jobs, run_ends, run_totals

DAY_SECONDS = 86400
KIB_PER_MIB = 1024
EVER = datetime(1970, 1, 1, tzinfo=UTC)
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


_crowded = job_queue.alias()
_lately = and_(_crowded.c.job_id == jobs.c.job_id, _crowded.c.finished_at >= bindparam("since"))
_some = select(literal(1)).where(_lately).limit(bindparam("most")).correlate(jobs).subquery()
_crowds = select(
    jobs.c.job_id,
    select(func.count()).select_from(_some).scalar_subquery(),
    *(
        select(edge(_crowded.c.finished_at)).where(_lately).correlate(jobs).scalar_subquery()
        for edge in (func.min, func.max)
    ),
).where(jobs.c.job_id.in_(bindparam("ids", expanding=True)))


def crowds(tx: Tx, job_ids: Sequence[str], *, since: datetime, most: int) -> dict[str, Crowd]:
    """Count, up to `most`, the runs of each job that ended since an instant. Only an index is read."""
    rows = tx.execute(_crowds, {"ids": list(job_ids), "since": since, "most": most})
    return {row[0]: Crowd(*row[1:]) for row in rows if row[1]}


_ended = (
    select(
        *(_q.job_id, _q.id, _q.state, _q.due_at, _q.started_at, _q.finished_at, _q.gap_from, _q.gap_count),
        func.coalesce(_q.error, _q.reason),
    )
    .where(_q.job_id.in_(bindparam("ids", expanding=True)), _q.finished_at >= bindparam("since"))
    .order_by(_q.finished_at.desc())
    .limit(bindparam("most"))
)
_ended_not_well = _ended.where(NOT_WELL)


def ended(tx: Tx, job_ids: Sequence[str], *, since: datetime, bad_only: bool, most: int) -> list[Ended]:
    """Return the runs of these jobs that ended since an instant, the newest first, at most `most`.

    With `bad_only`, those that succeeded are left out.
    """
    given = {"ids": list(job_ids), "since": since, "most": most}
    rows = tx.execute(_ended_not_well if bad_only else _ended, given)
    return [Ended(*row[:2], _STATES[row[2]], *row[3:]) for row in rows]


def _last_state() -> ScalarSelect[str]:
    q = job_queue.alias()
    started = select(q.c.state).where(q.c.job_id == jobs.c.job_id, q.c.started_at.is_not(None))
    return started.order_by(q.c.id.desc()).limit(1).correlate(jobs).scalar_subquery()


_last_states = select(jobs.c.job_id, _last_state()).where(jobs.c.job_id.in_(bindparam("ids", expanding=True)))


def last_states(tx: Tx, job_ids: Sequence[str]) -> dict[str, RunState]:
    """Return the state of the run that each of these jobs started last; jobs that never ran are left out.

    It is one search of an index for each job, however many runs there are.
    """
    found: dict[str, RunState] = {}
    for begin in range(0, len(job_ids), AT_ONCE):
        rows = tx.execute(_last_states, {"ids": job_ids[begin : begin + AT_ONCE]})
        found |= {row[0]: _STATES[row[1]] for row in rows if row[1] is not None}
    return found


_running_or_degraded = union(
    select(_q.job_id).where(_q.state == RUNNING),
    *(select(c.job_id).where(c.state == RunState.DEGRADED) for c in (run_totals.c, run_ends.c)),
)


def running_or_degraded(tx: Tx) -> set[str]:
    """Return the jobs that have a run in progress or ever had a degraded one: few, of very many."""
    return set(tx.execute(_running_or_degraded).scalars())


_a_run = select(literal(1)).where(_q.job_id == jobs.c.job_id, _q.started_at.is_not(None))
_has_run = select(literal(1)).where(jobs.c.removed_at.is_(None), jobs.c.source == BUNDLE, _a_run.exists())


def bundle_has_run(tx: Tx) -> bool:
    """Return whether a run of any job of the bundle ever started; it is over with the first that is found."""
    return tx.execute(_has_run.limit(1)).first() is not None


_bad_since = select(literal(1)).where(
    _q.job_id == bindparam("job"), NOT_WELL, _q.finished_at > bindparam("since"), _q.state.in_(BAD)
)
_bad_in_a_row = select(func.count()).select_from(_bad_since.limit(bindparam("most")).subquery())


def bad_in_a_row(tx: Tx, job_id: str, *, since: datetime | None, most: int) -> int:
    """Count, up to `most`, a job's runs that failed or timed out after an instant, None: ever."""
    given = {"job": job_id, "since": since or EVER, "most": most}
    found: int = tx.execute(_bad_in_a_row, given).scalar_one()
    return found


def running(tx: Tx) -> list[Run]:
    """Return the runs that are running now, the longest first."""
    query = select(job_queue).where(_q.state == RUNNING).order_by(_q.started_at, _q.id)
    return [as_run(row) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class Measured:
    """What an attempt used, and when that was measured last."""

    usage: Usage
    measured_at: datetime


def usage_of(tx: Tx, runs: Sequence[Run]) -> dict[str, Measured]:
    """Return what the attempt under way of each of these runs used; one that was not measured is left out."""
    under_way = (attempts.c.run_id.in_([run.id for run in runs]), attempts.c.finished_at.is_(None))
    columns = (attempts.c.run_id, attempts.c.started_at, attempts.c.usage)
    rows = tx.execute(select(*columns).where(*under_way))
    return {
        row.run_id: Measured(used, row.started_at + timedelta(seconds=used.newest.seconds))
        for row in rows
        if (used := usage.of_json(row.usage))
    }


@dataclass(frozen=True, slots=True)
class Used:
    """What the newest attempt of a run used: its largest memory in MiB, and processor time in seconds."""

    memory_mb: float
    cpu_seconds: float


def used_by(tx: Tx, run_ids: Sequence[str]) -> dict[str, Used]:
    """Return what these runs used; those of which it is not known are left out."""
    c = attempts.c
    known = (c.run_id.in_(run_ids), c.max_rss_kb.is_not(None), c.cpu_seconds.is_not(None))
    rows = tx.execute(select(c.run_id, c.max_rss_kb, c.cpu_seconds, c.usage).where(*known).order_by(c.number))
    found = {}
    for row in rows:
        measured = usage.of_json(row.usage)
        mb = max(row.max_rss_kb / KIB_PER_MIB, measured.peak_mb if measured else 0)
        found[row.run_id] = Used(mb, row.cpu_seconds)
    return found


def good_seconds_of(tx: Tx, job_ids: Sequence[str], *, most: int) -> dict[str, list[float]]:
    """Return how many seconds the good ones of each job's newest `most` ended runs took, the newest first.

    It is one statement, and reads no more than `most` rows for a job.
    """
    q = job_queue.alias()
    newest = (
        select(q.c.state, q.c.started_at, q.c.finished_at)
        .where(q.c.job_id == jobs.c.job_id, q.c.finished_at.is_not(None))
        .order_by(q.c.finished_at.desc())
        .limit(most)
        .correlate(jobs)
        .subquery()
    )
    begun, ended = newest.c.started_at, newest.c.finished_at
    if tx.dialect.name == "sqlite":
        took = func.round((func.julianday(ended) - func.julianday(begun)) * DAY_SECONDS, 3)
        texts: ColumnElement[Any] = func.json_group_array(took)
    else:
        from sqlalchemy.dialects.postgresql import aggregate_order_by

        at, start = (cast(extract("epoch", one), Numeric) for one in (ended, begun))
        took = func.round(at - start, 3)
        texts = cast(func.json_agg(aggregate_order_by(took, ended.desc())), Text)
    good = select(texts).where(newest.c.state.in_(GOOD), begun.is_not(None)).scalar_subquery()
    rows = tx.execute(select(jobs.c.job_id, good).where(jobs.c.job_id.in_(job_ids)))
    return {row[0]: json.loads(row[1] or "[]") for row in rows}


def usual_seconds(tx: Tx, job_id: str) -> float | None:
    """Return the median duration of a job's last hundred good runs, None if it has none."""
    took = good_seconds(tx, job_id)
    return median(took) if took else None
