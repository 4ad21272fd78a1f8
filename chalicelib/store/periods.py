"""The periods in which each schedule was in force, and the ledger's rows beside them.

Periods are the ledger's other half: `audit` recomputes the pure schedule over them. One period at most is
open per job, and it is open exactly while the job is enabled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from chalicelib.model.jobs import Job

from .database import Tx
from .driver import Statement
from .schema import job_queue, jobs, periods

_j = jobs.c


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which a schedule was in force: after `since`, up to and including `until` (None: still)."""

    job_id: str
    since: datetime
    until: datetime | None
    cron: str
    timezone: str
    revision: str | None


_open_period = Statement(insert(periods), columns=("job_id", "since", "cron", "timezone", "revision"))
_close_period = Statement(
    update(periods)
    .where(periods.c.job_id == bindparam("job"), periods.c.until.is_(None))
    .values(until=bindparam("end"))
)


def open_period(tx: Tx, kept: Job, *, since: datetime) -> None:
    """Note that a job's schedule is in force from now on."""
    row = {"job_id": kept.id, "since": since, "cron": kept.spec.cron, "timezone": kept.spec.timezone}
    _open_period.changed(tx, row | {"revision": kept.revision})


def close_period(tx: Tx, job_id: str, *, until: datetime) -> None:
    """Note that a job's schedule is no longer in force."""
    _close_period.changed(tx, {"job": job_id, "end": until})


def prune_periods(tx: Tx) -> None:
    """Delete the periods that ended before their job's ledger begins: its runs of that time were pruned."""
    begins = select(_j.ledger_from).where(_j.job_id == periods.c.job_id).scalar_subquery()
    tx.execute(delete(periods).where(periods.c.until < begins))


def periods_of(tx: Tx, job_id: str) -> list[Period]:
    """Return a job's periods in the order of time."""
    c = periods.c
    rows = tx.execute(
        select(c.job_id, c.since, c.until, c.cron, c.timezone, c.revision)
        .where(c.job_id == job_id)
        .order_by(c.since, c.id)
    )
    return [Period(*row) for row in rows]


def ledger_from(tx: Tx, job_id: str) -> datetime:
    """Return the instant from which the job's ledger is whole; older rows were pruned."""
    begin: datetime = tx.execute(select(_j.ledger_from).where(_j.job_id == job_id)).scalar_one()
    return begin


def ledger(tx: Tx, job_id: str, *, after: datetime) -> list[tuple[datetime, datetime | None, int]]:
    """Return (fire_at, gap_from, gap_count) of every occurrence after an instant, in the order of time."""
    q = job_queue.c
    rows = tx.execute(
        select(q.fire_at, q.gap_from, q.gap_count)
        .where(q.job_id == job_id, q.fire_at > after)
        .order_by(q.fire_at)
    )
    return [(row[0], row[1], row[2]) for row in rows]
