"""What the bundle is at: the active revision, the pin, the last sync, and the revisions that booted here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, union, update

from chalicelib.model.jobs import JobSpec

from .database import Tx
from .dialect import upsert
from .schema import QUEUED, RUNNING, bundle_state, job_queue, revisions

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class BundleState:
    """The bundle's state. `tried_at` is the last sync begun, `last_sync` the last that ended well.

    `branch` is the one that the last sync followed. `rejected` holds the definitions that the active revision
    left out, `remarks` what its author should know.

    `fault` says where the last sync failed: fetch, load (the manifest, its requirements) or held (it removes
    most jobs); so many times in a row (`fault_count`) since `failing_since`.
    """

    active_sha: str | None = None
    pinned_ref: str | None = None
    branch: str | None = None
    rejected: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[Mapping[str, Any], ...] = ()
    tried_at: datetime | None = None
    last_sync: datetime | None = None
    last_error: str | None = None
    consecutive_failures: int = 0
    fault: str | None = None
    fault_count: int = 0
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that booted, with its commit's first line, author and time."""

    sha: str
    booted_at: datetime
    activated_at: datetime | None
    subject: str | None
    author: str | None
    authored_at: datetime | None = None


_REVISION = [revisions.c[name] for name in ("sha", "booted_at", "activated_at", "subject", "author")]
_REVISION += [revisions.c.authored_at]
_state = select(bundle_state, revisions.c.rejected, revisions.c.remarks).join(
    revisions, revisions.c.sha == bundle_state.c.active_sha, isouter=True
)


def state(tx: Tx) -> BundleState:
    """Return the bundle's state; all empty before the first sync."""
    row = tx.execute(_state).first()
    if row is None:
        return BundleState()
    return BundleState(
        active_sha=row.active_sha,
        pinned_ref=row.pinned_ref,
        branch=row.branch,
        rejected=tuple(row.rejected or ()),
        remarks=tuple(row.remarks or ()),
        tried_at=row.tried_at,
        last_sync=row.last_sync,
        last_error=row.last_error,
        consecutive_failures=row.consecutive_failures,
        fault=row.fault,
        fault_count=row.fault_count,
        failing_since=row.failing_since,
    )


def change(tx: Tx, **columns: Any) -> None:
    """Set columns of the one row, making it if it is not there."""
    upsert(tx, bundle_state, {"id": 1}, columns)


def add_revision(
    tx: Tx,
    sha: str,
    jobs: Sequence[Mapping[str, Any]],
    rejected: Sequence[Mapping[str, Any]],
    *,
    remarks: Sequence[Mapping[str, Any]] = (),
    subject: str | None,
    author: str | None,
    authored_at: datetime | None = None,
    now: datetime,
) -> None:
    """Remember a revision that booted, with its commit's first line, author and time."""
    values = {
        "booted_at": now,
        "jobs": list(jobs),
        "rejected": list(rejected),
        "remarks": list(remarks),
        "subject": subject,
        "author": author,
        "authored_at": authored_at,
    }
    upsert(tx, revisions, {"sha": sha}, values)


def mark_activated(tx: Tx, sha: str, *, now: datetime) -> None:
    """Note when a revision became active."""
    tx.execute(update(revisions).where(revisions.c.sha == sha).values(activated_at=now))


def activated_at(tx: Tx, instant: datetime) -> str | None:
    """Return the revision whose activation at this instant was its last, or None."""
    found: str | None = tx.execute(
        select(revisions.c.sha).where(revisions.c.activated_at == instant).limit(1)
    ).scalar()
    return found


def find_revisions(tx: Tx, prefix: str, *, limit: int = 2) -> list[Revision]:
    """Return the revisions that were active once and whose id begins with `prefix`, the newest first."""
    c = revisions.c
    rows = tx.execute(
        select(*_REVISION)
        .where(c.sha.startswith(prefix, autoescape=True), c.activated_at.is_not(None))
        .order_by(c.activated_at.desc())
        .limit(limit)
    )
    return [Revision(*row) for row in rows]


def past_revisions(tx: Tx, *, limit: int, before: datetime | None = None) -> list[Revision]:
    """Return the revisions that were active once, the last activated first; or those activated before."""
    c = revisions.c
    query = select(*_REVISION).where(c.activated_at.is_not(None))
    if before is not None:
        query = query.where(c.activated_at < before)
    return [Revision(*row) for row in tx.execute(query.order_by(c.activated_at.desc()).limit(limit))]


Definitions = tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]


def definitions(tx: Tx, sha: str) -> Definitions:
    """Return the records of a revision's good definitions, and its refusals; none if it is not kept."""
    row = tx.execute(select(revisions.c.jobs, revisions.c.rejected).where(revisions.c.sha == sha)).first()
    return ((), ()) if row is None else (row.jobs, row.rejected)


def known_revisions(tx: Tx, shas: Collection[str]) -> dict[str, Revision]:
    """Return the revisions with these full ids that are kept, by their ids."""
    c = revisions.c
    rows = tx.execute(select(*_REVISION).where(c.sha.in_(sorted(shas))))
    return {row.sha: Revision(*row) for row in rows}


def spec(tx: Tx, sha: str, job_id: str) -> JobSpec | None:
    """Return a job's definition as a revision holds it, or None."""
    records = tx.execute(select(revisions.c.jobs).where(revisions.c.sha == sha)).scalar()
    return next((JobSpec.from_record(record) for record in records or () if record["id"] == job_id), None)


def unused(tx: Tx, *, before: datetime) -> set[str]:
    """Return revisions not in use, named by no run, and last activated (or booted) before an instant.

    It reads all runs if there is an old revision, so it is not asked while others wait to write.
    """
    last = func.coalesce(revisions.c.activated_at, revisions.c.booted_at)
    old = set(tx.execute(select(revisions.c.sha).where(last < before)).scalars()) - in_use(tx)
    if not old:
        return old
    named = select(_q.revision).where(_q.revision.in_(sorted(old))).distinct()
    return old - set(tx.execute(named).scalars())


def forget(tx: Tx, shas: Collection[str]) -> None:
    """Forget these revisions, but for those that came into use meanwhile."""
    tx.execute(delete(revisions).where(revisions.c.sha.in_(sorted(set(shas) - in_use(tx)))))


def in_use(tx: Tx, *, recent: int = 5) -> set[str]:
    """Return the revisions that must keep their checkout: active, of an unfinished run, or active lately."""
    unfinished = (select(_q.revision).where(_q.state == state) for state in (QUEUED, RUNNING))
    used = set(tx.execute(union(*unfinished)).scalars())
    used.update(tx.execute(select(bundle_state.c.active_sha)).scalars())
    used.update(
        tx.execute(
            select(revisions.c.sha)
            .where(revisions.c.activated_at.is_not(None))
            .order_by(revisions.c.activated_at.desc())
            .limit(recent)
        ).scalars()
    )
    return {sha for sha in used if sha}
