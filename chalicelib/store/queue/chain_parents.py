"""What the parents of a job have for one occurrence: a run that ended, one to wait for, or none at all.

A parent that was disabled then, or not there yet, has no row, and nothing will note its end. So whoever
decides about a child asks whether such a row may still be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from chalicelib.clock import iso
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import GOOD, Run
from chalicelib.store import registry, standings
from chalicelib.store.database import Tx
from chalicelib.store.history import as_run
from chalicelib.store.schema import chain_ends, job_queue

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class Parents:
    """The ended runs by parent; why others have none; and whether a row may still be written for one."""

    ended: Mapping[str, Run]
    absent: Mapping[str, str]
    owed: bool


def of(tx: Tx, spec: JobSpec, at: datetime) -> Parents:
    """Return what the parents of a job have for the occurrence at an instant."""
    ended: dict[str, Run] = {}
    absent: dict[str, str] = {}
    owed = False
    for parent in spec.after:
        rows = [as_run(row) for row in tx.execute(_rows(parent, at))]
        if rows and all(row.finished_at is not None for row in rows):
            ended[parent] = next((row for row in rows if row.state not in GOOD), rows[0])
        elif not rows and _is_owed(tx, parent, at):
            owed = True
        elif not rows:
            absent[parent] = _why_absent(tx, parent, at)
    return Parents(ended, absent, owed)


def _rows(job_id: str, at: datetime) -> Select[tuple[object, ...]]:
    return select(job_queue).where(_q.job_id == job_id, _stands_for(at))


def _stands_for(at: datetime) -> ColumnElement[bool]:
    return or_(
        _q.fire_at == at,
        _q.chain_key == iso(at),
        and_(_q.gap_from <= at, func.coalesce(_q.fire_at, _q.chain_at) >= at),
    )


def _is_owed(tx: Tx, job_id: str, at: datetime) -> bool:
    """Say whether a job that has no row for an occurrence may still get one."""
    job = registry.as_it_is(tx, job_id)
    if job is None or job.removed_at is not None:
        return False
    if job.spec.cron:
        ends = job.override.until if job.override else None
        switches = ends is not None and ends <= at  # the next tick gives the job back to git as of then
        return switches or (job.next_fire_at is not None and job.next_fire_at <= at)
    waits = or_(_q.finished_at.is_(None), _q.id.in_(select(chain_ends.c.run_id)))
    for parent in job.spec.after:
        if not tx.execute(_rows(parent, at).limit(1)).first():
            if _is_owed(tx, parent, at):
                return True
        elif tx.execute(_rows(parent, at).where(waits).limit(1)).first():
            return True
    return False


def _why_absent(tx: Tx, job_id: str, at: datetime) -> str:
    then = [one for one in standings.of_job(tx, job_id) if one.since is None or one.since <= at]
    if not then:
        return "was not there yet"
    return "had no run then" if then[-1].enabled else "was disabled"
