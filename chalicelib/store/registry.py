"""Jobs as stored records, and the operator's overrides.

A job that left the bundle stays, marked removed, with its history and cursor. The revision of a job in force
is the active one, so a sync writes no row of a job that it does not change; the column holds what cannot be
derived: the last good revision of a job that was rejected or removed.

Who reads jobs in a write transaction means to change them: from then on no other does so until it ends.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, and_, bindparam, case, delete, func, select, type_coerce, update

from chalicelib.model.jobs import BUNDLE, Job, JobSpec, Override
from chalicelib.model.occurrences import Accounting
from chalicelib.model.runs import JobId
from chalicelib.store.postgres.locks import hold_ledger

from . import run_totals
from .database import Tx
from .dialect import upsert
from .driver import Statement
from .schema import (
    ACTIVE_SHA,
    Instant,
    job_queue,
    jobs,
    overrides,
    periods,
    read_instant,
    standings,
    word,
)

CLOSE_AMONG = 5000  # ids looked at for a likely one
_j = jobs.c
_o = overrides.c

_in_force = and_(_j.source == word(BUNDLE), _j.removed_at.is_(None), _j.rejected.is_(None))
_revision = case((_in_force, func.coalesce(ACTIVE_SHA, _j.revision)), else_=_j.revision).label("revision")
_joined = select(
    *(_j.job_id, _j.definition_hash, _j.record, _j.source, _revision, _j.enabled, _j.cursor),
    *(_j.next_fire_at, _j.rejected, _j.removed_at, _o.enabled, _o.reason, _o.by, _o.at, _o.until),
).join(overrides, _o.job_id == _j.job_id, isouter=True)


@functools.lru_cache(maxsize=8192)
def _spec(_job_id: str, _definition_hash: str, record: str) -> JobSpec:
    return JobSpec.from_record(json.loads(record))


# As they are stored: a page reads a thousand jobs, and most are as they were.
_as_stored = _joined.with_only_columns(
    *(type_coerce(one, String) if isinstance(one.type, Instant) else one for one in _joined.selected_columns)
)


@functools.lru_cache(maxsize=2048)
def _job_as_stored(row: tuple[Any, ...]) -> Job:
    instants = {place for place, one in enumerate(_joined.selected_columns) if isinstance(one.type, Instant)}
    return _as_job([read_instant(one) if place in instants else one for place, one in enumerate(row)])


def _as_job(row: Sequence[Any]) -> Job:
    job_id, definition_hash, record, *standing, o_enabled, o_reason, o_by, o_at, o_until = row
    override = None if o_at is None else Override(o_enabled, o_reason, o_by, o_at, o_until)
    source, revision, enabled, cursor, next_fire_at, rejected, removed_at = standing
    spec = _spec(job_id, definition_hash, record)
    return Job(spec, source, revision, enabled, override, cursor, next_fire_at, rejected, removed_at)


_all = _as_stored.order_by(_j.job_id)
_one = Statement(_joined.where(_j.job_id == bindparam("job")))
_due = Statement(
    _joined.where(_j.next_fire_at <= bindparam("horizon")).order_by(_j.next_fire_at).limit(bindparam("most"))
)
_first = (
    _joined.where(_j.next_fire_at.is_not(None), _j.rejected.is_(None))
    .order_by(_j.next_fire_at)
    .limit(bindparam("most"))
)


def all_jobs(
    tx: Tx, *, removed: bool = False, source: str | None = None, after: str | None = None
) -> list[Job]:
    """Return the jobs by id, all or of one source or after an id; with `removed` also those that left."""
    hold_ledger(tx)
    query = _all if removed else _all.where(_j.removed_at.is_(None))
    if source is not None:
        query = query.where(_j.source == source)
    if after is not None:
        query = query.where(_j.job_id > after)
    return [_job_as_stored(tuple(row)) for row in tx.execute(query).all()]


_ids_in_force = select(_j.job_id).where(_j.source == BUNDLE, _j.removed_at.is_(None))


def ids_of_bundle(tx: Tx) -> set[str]:
    """Return the ids of the bundle's jobs, also of those whose newest definition is rejected."""
    hold_ledger(tx)
    return set(tx.execute(_ids_in_force).scalars())


def others(tx: Tx, specs: Mapping[JobId, JobSpec]) -> list[Job]:
    """Return the jobs, also removed ones, that are not in force exactly as `specs` defines them.

    The stored texts are compared, so the many jobs that a sync leaves alone are not built.
    """
    hold_ledger(tx)
    rows = (tuple(row) for row in tx.execute(_all).all())
    return [_job_as_stored(row) for row in rows if not _stands(row, specs.get(row[0]))]


def _stands(row: tuple[Any, ...], spec: JobSpec | None) -> bool:
    _, _, record, source, _, enabled, _, _, rejected, removed_at, o_enabled, *_ = row
    return (
        spec is not None
        and source == BUNDLE
        and rejected is None
        and removed_at is None
        and enabled == (spec.enabled if o_enabled is None else o_enabled)
        and record == _written(spec)
    )


# The text only spares reading the other jobs: every job with secrets has it, and some without have it too.
_maybe_with_secrets = _all.where(_j.removed_at.is_(None), _j.record.contains('"secrets": [{'))


def with_secrets(tx: Tx) -> list[Job]:
    """Return the jobs that declare secrets."""
    return [
        job for row in tx.execute(_maybe_with_secrets) if (job := _job_as_stored(tuple(row))).spec.secrets
    ]


def ids(tx: Tx, *, most: int) -> list[str]:
    """Return the ids of up to `most` jobs."""
    return list(tx.execute(select(_j.job_id).where(_j.removed_at.is_(None)).limit(most)).scalars())


def nearest(tx: Tx, job_id: str) -> list[str]:
    """Return the ids that are most like an unknown one: that of the job it was renamed to, or those alike."""
    renamed = select(standings.c.job_id).where(standings.c.renamed_from == job_id).limit(1)
    if (new := tx.execute(renamed).scalar()) is not None:
        return [new]
    return difflib.get_close_matches(job_id, ids(tx, most=CLOSE_AMONG), n=2)


def job(tx: Tx, job_id: str) -> Job | None:
    """Return one job, also a removed one, or None."""
    hold_ledger(tx)
    return as_it_is(tx, job_id)


def as_it_is(tx: Tx, job_id: str) -> Job | None:
    """Return one job, also a removed one, or None, for an act that changes no job."""
    row = _one.first(tx, {"job": job_id})
    return _as_job(row) if row else None


def count(tx: Tx) -> int:
    """Return how many jobs there are (removed ones not counted)."""
    return tx.execute(select(func.count()).where(_j.removed_at.is_(None))).scalar_one()


def due(tx: Tx, *, horizon: datetime, most: int) -> list[Job]:
    """Return up to `most` jobs that fire at or before the horizon; jobs that are not due cost nothing."""
    hold_ledger(tx)
    return [_as_job(row) for row in _due.all(tx, {"horizon": horizon, "most": most})]


def firing_first(tx: Tx, *, most: int) -> list[Job]:
    """Return the jobs that fire next after their cursors, soonest first."""
    return [_as_job(row) for row in tx.execute(_first, {"most": most})]


_move = Statement(
    update(jobs)
    .where(_j.job_id == bindparam("job"))
    .values(cursor=bindparam("to"), next_fire_at=bindparam("then"))
)


def move_cursors(tx: Tx, accountings: Iterable[Accounting]) -> None:
    """Set cursors and next fire times to what was accounted for."""
    _move.changed_by_each(
        tx, ({"job": one.job_id, "to": one.cursor, "then": one.next_fire_at} for one in accountings)
    )


def rewind(tx: Tx, job_id: str, *, before: datetime) -> None:
    """Move a job's cursor back so that `before` is its next fire time again."""
    _move.changed(tx, {"job": job_id, "to": before - timedelta(microseconds=1), "then": before})


def put(tx: Tx, kept: Job) -> None:
    """Write a job's definition and standing, new or not. The ledger of a new job begins at its cursor."""
    values = {
        "source": kept.source,
        "revision": kept.revision,
        "record": _written(kept.spec),
        "definition_hash": kept.spec.definition_hash,
        "overlap": kept.spec.overlap,
        "enabled": kept.enabled,
        "cursor": kept.cursor,
        "next_fire_at": kept.next_fire_at,
        "rejected": kept.rejected,
        "removed_at": kept.removed_at,
    }
    upsert(tx, jobs, {"job_id": kept.id}, values, first={"ledger_from": kept.cursor})


def rename(tx: Tx, old: str, new: str) -> None:
    """Give everything a job has (definition, history, override, periods, standings) to its new id."""
    record = json.loads(tx.execute(select(_j.record).where(_j.job_id == old)).scalar_one()) | {"id": new}
    spec = JobSpec.from_record(record)
    tx.execute(
        update(jobs)
        .where(_j.job_id == old)
        .values(record=_written(spec), definition_hash=spec.definition_hash)
    )
    for table in (jobs, job_queue, overrides, periods, standings):
        tx.execute(update(table).where(table.c.job_id == old).values(job_id=new))
    run_totals.rename(tx, old, new)


def _written(spec: JobSpec) -> str:
    return json.dumps(spec.record, sort_keys=True, default=str)


def set_override(tx: Tx, job_id: str, override: Override) -> None:
    """Put an operator's switch in place of any earlier one."""
    upsert(tx, overrides, {"job_id": job_id}, dataclasses.asdict(override))


_switches = select(_j.job_id, _o.enabled, _o.at).join(overrides, _o.job_id == _j.job_id, isouter=True)


def switches(tx: Tx, job_ids: Collection[str]) -> dict[str, tuple[bool, datetime] | None]:
    """Return whether an operator switched each of these jobs on or off, and when; None: git decides.

    Jobs that are not in force are left out.
    """
    rows = tx.execute(_switches.where(_j.job_id.in_(job_ids), _j.removed_at.is_(None)))
    return {job_id: None if at is None else (enabled, at) for job_id, enabled, at in rows}


def clear_override(tx: Tx, job_id: str) -> None:
    """Let git decide again."""
    tx.execute(delete(overrides).where(_o.job_id == job_id))


_expired = select(_o.job_id).where(_o.until <= bindparam("now")).order_by(_o.job_id)


def expired_overrides(tx: Tx, *, now: datetime) -> Sequence[str]:
    """Return the jobs whose override ended at or before `now`."""
    hold_ledger(tx)
    return tx.execute(_expired, {"now": now}).scalars().all()


_next_end = select(func.min(_o.until))


def next_override_end(tx: Tx) -> datetime | None:
    """Return when the next override ends (it may be past: then a tick is owed)."""
    end: datetime | None = tx.execute(_next_end).scalar()
    return end
