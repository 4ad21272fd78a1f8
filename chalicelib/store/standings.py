"""What a job was at any time, and who decided it: on or off, by git or by an operator; rejected; removed.

A row is written in the transaction that changes a job, and only if its standing changes with that. The rows
explain the past; what is in force now is in the tables `jobs` and `overrides`.

Limit: of the time before this table there was, only what is still in force is known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from chalicelib.model.jobs import Job

from .database import Tx
from .driver import Statement
from .schema import standings

_c = standings.c


@dataclass(frozen=True, slots=True)
class Standing:
    """What a job was after `since`. `who`, `reason` and `until` are those of an operator's override.

    `since` is None where it is not known. `rejected` says why the newest definition was refused. `revision`
    is the one that brought this standing, None where no revision did.
    """

    since: datetime | None
    enabled: bool
    overridden: bool = False
    who: str | None = None
    reason: str | None = None
    until: datetime | None = None
    rejected: str | None = None
    removed: bool = False
    revision: str | None = None
    renamed_from: str | None = None


_note = Statement(insert(standings), columns=[one.name for one in _c if one.name != "id"])


def note(
    tx: Tx,
    before: Job | None,
    after: Job,
    *,
    at: datetime,
    revision: str | None = None,
    renamed_from: str | None = None,
) -> None:
    """Write what a job is from an instant on, unless it was the same before.

    `revision` is the one that brought the change.
    """
    if before is not None and renamed_from is None and _decided(before) == _decided(after):
        return
    override = after.override
    _note.changed(
        tx,
        {
            "job_id": after.id,
            "since": at,
            "enabled": after.enabled and after.removed_at is None,
            "overridden": override is not None,
            "who": override.by if override else None,
            "reason": override.reason if override else None,
            "until": override.until if override else None,
            "rejected": after.rejected,
            "removed": after.removed_at is not None,
            "revision": revision,
            "renamed_from": renamed_from,
        },
    )


def _decided(job: Job) -> tuple[object, ...]:
    return job.enabled, job.override, job.rejected, job.removed_at is not None


def of_job(tx: Tx, job_id: str) -> list[Standing]:
    """Return a job's standings in the order of time."""
    rows = tx.execute(
        select(*(_c[field.name] for field in fields(Standing)))
        .where(_c.job_id == job_id)
        .order_by(_c.since, _c.id)
    )
    return [Standing(*tuple(row)) for row in rows]


def prune(tx: Tx, *, before: datetime) -> None:
    """Forget standings that had ended before an instant: a later one of that job began before it too."""
    last = (
        select(_c.job_id, func.max(_c.since).label("since"))
        .where(_c.since < before)
        .group_by(_c.job_id)
        .subquery()
    )
    ended = select(_c.id).join(last, last.c.job_id == _c.job_id).where(_c.since < last.c.since)
    tx.execute(delete(standings).where(_c.id.in_(ended)))
