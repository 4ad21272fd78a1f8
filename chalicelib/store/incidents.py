"""Incidents: what is wrong with a job or with Sauron itself, since when, and whether people know.

An incident is open until it ended; at most one is open per subject and kind, whichever process opens it. Of
two that open the same one, only one gets the incident; of two that end it, only one learns that it did.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from sqlalchemy import bindparam, delete, func, select, update

from . import alerts
from .database import Tx
from .dialect import insert
from .driver import Statement
from .postgres import locks
from .schema import incidents, job_queue

_i = incidents.c
_q = job_queue.c
_other = job_queue.alias("other")

SUBJECT_CHARS = 128
MOST_IN_A_ROW = 1000  # failures that are counted


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


def take_turns(tx: Tx) -> None:
    """Let one transaction at a time decide about incidents (SQLite has one writer anyway)."""
    locks.hold(tx, locks.INCIDENTS)


# -- incidents


_open = select(incidents).where(_i.ended_at.is_(None)).order_by(_i.id)
_open_of = Statement(_open.where(_i.subject == bindparam("subject")))


def open_incidents(
    tx: Tx, *, subjects: Collection[str] | None = None, most: int | None = None
) -> list[Incident]:
    """Return the open incidents, of these subjects or all, in the order in which they began."""
    if subjects is None:
        return [Incident(*row) for row in tx.execute(_open.limit(most))]
    found = [Incident(*row) for one in set(subjects) for row in _open_of.all(tx, {"subject": one})]
    return sorted(found, key=attrgetter("id"))[:most]


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
    """Give a renamed job the incidents of its former id, but for kinds of which the new id has one open."""
    taken = select(_i.kind).where(_i.subject == new, _i.ended_at.is_(None))
    kinds = list(tx.execute(taken).scalars())
    alerts.rename(tx, old, new, but=kinds)
    mine = update(incidents).where(_i.subject == old, _i.job_id == old)
    tx.execute(mine.where(_i.ended_at.is_not(None) | _i.kind.not_in(kinds)).values(subject=new, job_id=new))


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
