"""Incidents in the store, and what is asked of the other tables to find out whether something is wrong.

An incident is open until it ended; at most one is open per subject and kind, whichever process opens it. Of
two that open the same one, only one gets the incident; of two that end it, only one learns that it did. Every
question goes by an index, so that it costs what is wrong or recent and never what exists.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from chalicelib.model.runs import BAD, GOOD, OCCURRENCES, RunState

from .database import Tx
from .dialect import insert
from .postgres import locks
from .schema import QUEUED, RUNNING, bundle_state, incidents, job_queue, log_chunks, revisions

_i = incidents.c
_q = job_queue.c
_other = job_queue.alias("other")

SUBJECT_CHARS = 128
MOST_IN_A_ROW = 1000  # failures that are counted
TAIL_CHUNKS = 200  # read for the end of a log


@dataclass(frozen=True, slots=True)
class Incident:
    """Something wrong with a subject: a job's id, a rejected definition's place, or Sauron itself.

    `told_at` is None while no alert was possible, because no channel was configured.
    """

    id: int
    subject: str
    kind: str
    job_id: str | None
    run_id: str | None
    reason: str
    since: datetime
    told_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fault:
    """The last sync's failure: `kind` is fetch, load, held or None; `rejected` the definitions left out."""

    kind: str | None = None
    since: datetime | None = None
    failures: int = 0
    error: str | None = None
    rejected: tuple[dict[str, Any], ...] = ()


def take_turns(tx: Tx) -> None:
    """Let one transaction at a time decide about incidents (SQLite has one writer anyway)."""
    locks.hold(tx, locks.INCIDENTS)


# -- incidents


def open_incidents(
    tx: Tx, *, subjects: Collection[str] | None = None, most: int | None = None
) -> list[Incident]:
    """Return the open incidents, of these subjects or all, in the order in which they began."""
    query = select(incidents).where(_i.ended_at.is_(None)).order_by(_i.id)
    if subjects is None:
        return [Incident(*row) for row in tx.execute(query.limit(most))]
    asked = sorted(subjects)
    found = [
        Incident(*row)
        for i in range(0, len(asked), 500)
        for row in tx.execute(query.where(_i.subject.in_(asked[i : i + 500])))
    ]
    return found[:most]


_one = select(incidents).where(
    _i.subject == bindparam("subject"), _i.kind == bindparam("kind"), _i.ended_at.is_(None)
)


def open_incident(tx: Tx, subject: str, kind: str) -> Incident | None:
    """Return the open incident of a subject and kind, or None."""
    row = tx.execute(_one, {"subject": subject, "kind": kind}).first()
    return Incident(*row) if row else None


_ended = select(incidents).where(_i.ended_at > bindparam("since"), _i.subject == bindparam("subject"))


def ended_since(tx: Tx, subject: str, since: datetime) -> list[Incident]:
    """Return the incidents of a subject that ended after an instant."""
    return [Incident(*row) for row in tx.execute(_ended, {"subject": subject, "since": since})]


def begin(
    tx: Tx,
    subject: str,
    kind: str,
    *,
    reason: str,
    since: datetime,
    told_at: datetime | None,
    job_id: str | None,
    run_id: str | None,
) -> Incident | None:
    """Open an incident; return it, or None if there is one already."""
    row = {
        "subject": subject,
        "kind": kind,
        "job_id": job_id,
        "run_id": run_id,
        "reason": reason,
        "since": since,
        "told_at": told_at,
    }
    made = tx.execute(insert(tx, incidents).values(row).on_conflict_do_nothing().returning(_i.id)).scalar()
    return open_incident(tx, subject, kind) if made is not None else None


def end(tx: Tx, incident: Incident, *, now: datetime) -> bool:
    """End an incident; return whether it was this call that did."""
    return (
        tx.execute(
            update(incidents).where(_i.id == incident.id, _i.ended_at.is_(None)).values(ended_at=now)
        ).rowcount
        == 1
    )


def told_again(tx: Tx, incident: Incident, *, now: datetime) -> bool:
    """Note that people are reminded now; return whether it was this call that noted it."""
    as_known = _i.told_at.is_(None) if incident.told_at is None else _i.told_at == incident.told_at
    due = update(incidents).where(_i.id == incident.id, _i.ended_at.is_(None), as_known)
    return tx.execute(due.values(told_at=now)).rowcount == 1


_last_end = select(func.max(_i.ended_at)).where(
    _i.subject == bindparam("subject"), _i.kind == bindparam("kind")
)


def last_end(tx: Tx, subject: str, kind: str) -> datetime | None:
    """Return when an incident of a subject and kind last ended; alerts about earlier events are settled."""
    end_: datetime | None = tx.execute(_last_end, {"subject": subject, "kind": kind}).scalar()
    return end_


def rename(tx: Tx, old: str, new: str) -> None:
    """Give a renamed job the incidents of its former id."""
    tx.execute(update(incidents).where(_i.subject == old, _i.job_id == old).values(subject=new, job_id=new))


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` incidents that ended before an instant; return how many."""
    old = (
        tx.execute(select(_i.id).where(_i.ended_at < before).order_by(_i.ended_at).limit(most))
        .scalars()
        .all()
    )
    if old:
        tx.execute(delete(incidents).where(_i.id.in_(old)))
    return len(old)


# -- what is asked of runs


def ended_badly(tx: Tx, since: datetime) -> list[str]:
    """Return the jobs of which a run failed, timed out or was missed after an instant."""
    query = select(_q.job_id).where(_q.finished_at > since, _q.state.in_((*BAD, RunState.MISSED))).distinct()
    return list(tx.execute(query).scalars())


_verdicts = (
    select(_q.id, _q.state, _q.error, _q.error_type, _q.finished_at)
    .where(_q.job_id == bindparam("job"), _q.finished_at.is_not(None), _q.state.in_((*GOOD, *BAD)))
    .order_by(_q.finished_at.desc(), _q.id.desc())
    .limit(bindparam("most"))
)


def verdict(tx: Tx, job_id: str) -> Any | None:
    """Return (id, state, error, error_type, finished_at) of the job's run that was judged last, or None."""
    return tx.execute(_verdicts, {"job": job_id, "most": 1}).first()


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


_gaps = (
    select(_q.id, _q.fire_at, _q.gap_from, _q.gap_count, _q.reason, _q.finished_at)
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


_gap_end = select(_q.fire_at, _q.finished_at).where(_q.id == bindparam("run"))
_executed_after = (
    select(_q.id)
    .where(
        _q.job_id == bindparam("job"),
        _q.fire_at > bindparam("fired"),
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
    """Return the end of what a run wrote."""
    c = log_chunks.c
    found: list[str] = []
    for piece in tx.execute(
        select(c.text).where(c.run_id == run_id).order_by(c.id.desc()).limit(TAIL_CHUNKS)
    ).scalars():
        found.append(piece)
        if sum(map(len, found)) >= chars:
            break
    return "".join(reversed(found))[-chars:]
