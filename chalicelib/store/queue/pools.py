"""Pools: how many runs of a pool may run at once over all jobs and runners, as SQL that both stores share.

A run has its pool from its job's definition (`follow_definition`). The sizes are rows of `pools`, which each
tick brings in line with SAURON_POOLS. On PostgreSQL a run of a pool is claimed under the pool's lock only, so
two runners never count the same free place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from chalicelib.model.jobs import JobSpec
from chalicelib.model.pools import DEFAULT_SIZE, Waiting
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.schema import QUEUED, RUNNING, job_queue, pools

_q = job_queue.c
_other = job_queue.alias("in_pool")
_o = _other.c
_sizes = select(pools.c.name, pools.c.size)


def room(ended: ColumnElement[str] | None = None) -> ColumnElement[bool]:
    """Say whether the pool of a run has room for it; `ended` is a run that still seems to run."""
    beside = (_o.state == RUNNING, _o.pool == _q.pool, *(() if ended is None else (_o.id != ended,)))
    running = select(func.count()).select_from(_other).where(*beside).scalar_subquery()
    size = select(pools.c.size).where(pools.c.name == _q.pool).scalar_subquery()
    return or_(_q.pool.is_(None), running < func.coalesce(size, literal_column(str(DEFAULT_SIZE))))


def stored_sizes(tx: Tx) -> dict[str, int]:
    """Return the size of each pool that has one."""
    return {row.name: row.size for row in tx.execute(_sizes)}


def keep_sizes(tx: Tx, sizes: Mapping[str, int]) -> None:
    """Write the sizes of the pools, if they are not the stored ones."""
    if stored_sizes(tx) == dict(sizes):
        return
    tx.execute(delete(pools))
    if sizes:
        tx.execute(insert(pools), [{"name": name, "size": size} for name, size in sizes.items()])


_to_pool = bindparam("to_pool", type_=_q.pool.type)
_to_priority = bindparam("to_priority", type_=_q.priority.type)
_follow = Statement(
    update(job_queue)
    .where(
        _q.job_id == bindparam("job"),
        _q.finished_at.is_(None),
        or_(_q.pool.is_distinct_from(_to_pool), _q.priority != _to_priority),
    )
    .values(pool=_to_pool, priority=_to_priority)
)


def follow_definition(tx: Tx, spec: JobSpec) -> None:
    """Give the unfinished runs of a job the pool and the priority of its new definition."""
    _follow.changed(tx, {"job": spec.id, "to_pool": spec.pool, "to_priority": spec.priority})


def waiting(tx: Tx, names: set[str]) -> dict[str, Waiting]:
    """Return how full each of these pools is, those with room left out."""
    if not names:
        return {}
    sizes = stored_sizes(tx)
    counted = select(_q.pool, func.count()).where(_q.state == RUNNING, _q.pool.in_(names)).group_by(_q.pool)
    found = {}
    for name, running in tx.execute(counted):
        size = sizes.get(name, DEFAULT_SIZE)
        if running >= size:
            found[name] = Waiting(name, running, size)
    return found


def crowded_out(tx: Tx, job_ids: Sequence[str], *, now: datetime) -> dict[str, tuple[str, list[str]]]:
    """Return the full pool that a run of each of these jobs is in, and which other jobs wait for a place."""
    here = _o.job_id, _o.pool, _q.job_id.label("waits")
    due = (_q.state == QUEUED, _q.due_at <= now, _q.job_id != _o.job_id)
    pairs = (
        select(*here).distinct().where(_o.state == RUNNING, _o.job_id.in_(job_ids), _q.pool == _o.pool, *due)
    )
    rows = tx.execute(pairs.order_by(*here)).all()
    full = waiting(tx, {row.pool for row in rows})
    found: dict[str, tuple[str, list[str]]] = {}
    for row in rows:
        if row.pool in full:
            found.setdefault(row.job_id, (row.pool, []))[1].append(row.waits)
    return found


def has_waited() -> ColumnElement[bool]:
    """Say whether another run of a run's pool was going on when the run became due."""
    beside = (_o.pool == _q.pool, _o.id != _q.id, _o.started_at.is_not(None))
    then = (_o.state == RUNNING, _o.state == QUEUED, _o.finished_at > _q.due_at)  # each has its index
    return or_(*(select(_o.id).where(*beside, one).exists() for one in then))
