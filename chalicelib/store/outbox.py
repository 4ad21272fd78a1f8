"""What waits to be copied to Life Hub: rows written with the change, and deleted once they are copied.

An attempt's row carries its facts, because runs and logs may be pruned before Life Hub is there again. A
job's row says only that the job, or all of them, changed: the publisher reads them as they stand after it
picked the row. A newer row takes the place of an older one for the same news, under a new id, so that a
change made while a copy is under way is copied again.

After a crash: news and row are there both or neither. A row whose copy was made just before is copied a
second time, which Life Hub's side does not count twice. A row that Life Hub refuses for itself stays, marked
with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from chalicelib.clock import iso
from chalicelib.model.runs import Run, Verdict
from chalicelib.terminal.screen import tail_as_shown
from chalicelib.text import storable

from . import log_chunks
from .database import Tx
from .schema import attempts, jobs, outbox, revisions

TAIL_CHARS = 5000  # of an attempt's output

_b = outbox.c


class RowKind(StrEnum):
    """What a row asks to be copied."""

    ATTEMPT = "attempt"
    JOB = "job"  # one job as it stands
    JOBS = "jobs"  # all of them


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that waits. `facts` are an attempt's, with times as ISO 8601 text; None for jobs."""

    id: int
    kind: RowKind
    job_id: str | None
    facts: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the copy is behind: how many rows wait, since when the oldest does, how many were refused."""

    waiting: int
    oldest_at: datetime | None
    refused: int


_told = (
    select(
        attempts.c.started_at,
        attempts.c.finished_at,
        attempts.c.outcome,
        attempts.c.error,
        attempts.c.error_type,
        jobs.c.source,
        jobs.c.record,
        revisions.c.booted_at,
    )
    .select_from(attempts)
    .join(jobs, jobs.c.job_id == bindparam("job"), isouter=True)
    .join(revisions, revisions.c.sha == bindparam("revision"), isouter=True)
    .where(attempts.c.run_id == bindparam("run"), attempts.c.number == bindparam("nth"))
)
_put = insert(outbox)


def put_attempt(tx: Tx, run: Run, verdict: Verdict, *, now: datetime) -> None:
    """Note the end of an attempt, in the transaction that finished it, after the end was recorded."""
    told = tx.execute(
        _told, {"job": run.job_id, "revision": run.revision, "run": run.id, "nth": run.attempt}
    ).first()
    if told is None:
        return
    record = json.loads(told.record) if told.record else {}
    facts = facts_of(run, verdict, record, tail=_tail(tx, run), now=told.finished_at or now) | {
        "started_at": iso(told.started_at),
        "outcome": told.outcome or verdict.outcome,
        "error": told.error,
        "error_type": told.error_type,
        "loaded_at": told.booted_at and iso(told.booted_at),
        "source": told.source,
    }
    tx.execute(_put, {"kind": RowKind.ATTEMPT, "job_id": run.job_id, "facts": facts, "created_at": now})


def facts_of(
    run: Run, verdict: Verdict, record: Mapping[str, Any], *, tail: str | None, now: datetime
) -> dict[str, Any]:
    """Return an attempt's facts except those that the store adds: start, outcome, error, source."""
    return {
        "run_id": run.id,
        "attempt": run.attempt,
        "job_id": run.job_id,
        "ended_at": iso(now),
        "exit_code": verdict.exit_code,
        "summary": _summary(verdict.result),
        "origin": run.origin,
        "revision": run.revision,
        "tags": record.get("tags") or [],
        "project": record.get("project"),
        "entrypoint": record.get("entrypoint"),
        "stdout_tail": tail or None,
    }


def _summary(result: Any) -> str | None:
    """Return what a job's result says of itself: its `summary`, else its `message`."""
    if not isinstance(result, dict):
        return None
    said = result.get("summary") or result.get("message")
    if said is None:
        return None
    text = said if isinstance(said, str) else json.dumps(said, default=str, ensure_ascii=False)
    return str(storable(text))[:TAIL_CHARS]


def _tail(tx: Tx, run: Run) -> str | None:
    """Return the end of what this attempt wrote, as people see it, or None if it wrote nothing."""
    written = log_chunks.newest_first(tx, run.id, attempt=run.attempt)
    return tail_as_shown(written, TAIL_CHARS) or None


_forget_job = (
    delete(outbox)
    .where(_b.kind == RowKind.JOB, _b.job_id == bindparam("job"))
    .returning(_b.created_at, _b.refused)
)
_forget_jobs = (
    delete(outbox).where(_b.kind.in_((RowKind.JOB, RowKind.JOBS))).returning(_b.created_at, _b.refused)
)


def put_job(tx: Tx, job_id: str, *, now: datetime) -> int:
    """Note that a job is to be copied, in the transaction that switched it; return the row's id."""
    gone = tx.execute(_forget_job, {"job": job_id}).all()
    row = {"kind": RowKind.JOB, "job_id": job_id, "facts": None, "created_at": _since(gone, now)}
    key = tx.execute(_put, row).inserted_primary_key
    return int(key[0]) if key else 0


def put_jobs(tx: Tx, *, now: datetime, again: bool = False) -> None:
    """Note that all jobs are to be copied, in the transaction of a sync or rollback, and at a start.

    Where there is no Life Hub the one row stays: rows for jobs never grow beyond the jobs. `again`: it waits
    from now on.
    """
    gone = tx.execute(_forget_jobs).all()
    since = now if again else _since(gone, now)
    tx.execute(_put, {"kind": RowKind.JOBS, "job_id": None, "facts": None, "created_at": since})


def _since(gone: Sequence[Any], now: datetime) -> datetime:
    """Return since when the rows wait that a new row replaces; refused rows do not wait for Life Hub."""
    since: datetime = min((now, *(row.created_at for row in gone if row.refused is None)))
    return since


_waiting = select(outbox).where(_b.refused.is_(None)).order_by(_b.id).limit(bindparam("most"))


def waiting(tx: Tx, most: int) -> list[Entry]:
    """Return up to `most` rows that wait, in the order of their happening; refused ones are left out."""
    rows = tx.execute(_waiting, {"most": most})
    return [Entry(row.id, RowKind(row.kind), row.job_id, row.facts, row.created_at) for row in rows]


def done(tx: Tx, ids: Sequence[int]) -> None:
    """Delete rows whose copies were made."""
    for some in (ids[i : i + 500] for i in range(0, len(ids), 500)):
        tx.execute(delete(outbox).where(_b.id.in_(some)))


def refuse(tx: Tx, entry_id: int, reason: str) -> None:
    """Set a row aside because Life Hub does not take it, for this reason."""
    tx.execute(update(outbox).where(_b.id == entry_id).values(refused=reason[:TAIL_CHARS]))


def retry_refused(tx: Tx, *, now: datetime) -> int:
    """Let refused rows wait again, from now on (their reason may be mended in Life Hub); return how many."""
    return tx.execute(
        update(outbox).where(_b.refused.is_not(None)).values(refused=None, created_at=now)
    ).rowcount


_oldest = select(_b.created_at).where(_b.refused.is_(None)).order_by(_b.id).limit(1)
_counted = select(
    select(func.count()).select_from(outbox).where(_b.refused.is_(None)).scalar_subquery(),
    select(func.count()).select_from(outbox).where(_b.refused.is_not(None)).scalar_subquery(),
)


def lag(tx: Tx) -> Lag:
    """Return how far the copy is behind."""
    some, refused = tx.execute(_counted).one()
    return Lag(some, tx.execute(_oldest).scalar() if some else None, refused)
