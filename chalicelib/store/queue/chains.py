"""Chains: who follows whom, and asking for the children of runs that ended.

A trigger of the database notes every run of a parent that gets its end, in the transaction that ends it,
whichever act that is. `flow` turns these notes into rows of the children. It is called when runs have
ended and at every tick, so a note that a crash left is taken up within a minute; each note is used once.

One transaction at a time does so: of several parents that end at once, the last sees the others. A note
stays while another parent may still get its row: the next call looks again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from chalicelib.clock import iso
from chalicelib.model import chains as rules
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Origin, Run, RunId, RunState, new_run_id
from chalicelib.store import registry
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.history import as_run
from chalicelib.store.postgres import locks
from chalicelib.store.schema import chain_ends, chains, job_queue

from . import chain_parents, enqueue

BATCH = 100
_q = job_queue.c
_c = chains.c
_children = Statement(select(_c.child).where(_c.parent == bindparam("job")).order_by(_c.child))
_forget = Statement(delete(chains).where(_c.child == bindparam("job")))
_any_noted = Statement(select(chain_ends.c.id).limit(1))
_noted = (
    select(chain_ends.c.id.label("note"), job_queue)
    .join(job_queue, _q.id == chain_ends.c.run_id, isouter=True)
    .where(chain_ends.c.id > bindparam("above"))
    .order_by(chain_ends.c.id)
    .limit(BATCH)
)


def define(tx: Tx, spec: JobSpec) -> None:
    """Let a job follow those that its definition names."""
    forget(tx, spec.id)
    if spec.after:
        tx.execute(insert(chains), [{"parent": parent, "child": spec.id} for parent in spec.after])


def forget(tx: Tx, job_id: str) -> None:
    """Let a job follow no other."""
    _forget.changed(tx, {"job": job_id})


def rename(tx: Tx, old: str, new: str) -> None:
    """Give a job's place among the chains to its new id."""
    tx.execute(update(chains).where(_c.child == old).values(child=new))
    tx.execute(update(chains).where(_c.parent == old).values(parent=new))


def children(tx: Tx, job_id: str) -> list[str]:
    """Return the jobs that follow a job."""
    return [row.child for row in _children.all(tx, {"job": job_id})]


def below(tx: Tx, job_ids: Collection[str], *, most: int) -> dict[str, list[str]]:
    """Return the children of these jobs and of all that follow them, by parent; at most so many steps."""
    found: dict[str, list[str]] = {}
    level, left = set(job_ids), most
    while level and left > 0:
        asked = select(chains).where(_c.parent.in_(level)).order_by(_c.parent, _c.child).limit(left)
        rows = tx.execute(asked).all()
        for row in rows:
            found.setdefault(row.parent, []).append(row.child)
        level, left = {row.child for row in rows} - found.keys(), left - len(rows)
    return found


def pending(tx: Tx) -> bool:
    """Say whether the end of a parent waits to be followed."""
    return _any_noted.first(tx, {}) is not None


def flow(tx: Tx, *, now: datetime) -> int:
    """Ask for the children of every run that ended; return how many runs were queued.

    It has a transaction of its own: what holds the lock of chains waits for no other.
    """
    if not pending(tx):
        return 0
    locks.hold(tx, locks.CHAINS)
    queued, above = 0, 0
    while ended := tx.execute(_noted, {"above": above}).all():
        above = ended[-1].note
        used = []
        for row in ended:
            rows, waits = _follow(tx, as_run(row), now) if row.job_id is not None else ([], False)
            enqueue.put(tx, rows)
            queued += sum(one["state"] is RunState.QUEUED for one in rows)
            if not waits:
                used.append(row.note)
        tx.execute(delete(chain_ends).where(chain_ends.c.id.in_(used)))
    return queued


def _follow(tx: Tx, parent: Run, now: datetime) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a run's children, and whether one of them waits for a row of another parent."""
    made = [_rows(tx, parent, child, now) for child in children(tx, parent.job_id)]
    return [row for rows in made for row in rows or ()], None in made


def _rows(tx: Tx, parent: Run, child_id: str, now: datetime) -> list[dict[str, Any]] | None:
    """Return the rows of a child, or None while another parent may still get the row that decides."""
    child = registry.as_it_is(tx, child_id)
    if child is None or child.removed_at is not None:
        return []
    spec = child.spec
    if not parent.occurrence:
        if len(spec.after) > 1:
            return []  # what was asked for by hand has no occurrence in common with the other parents
        after = rules.follow(spec.after, {parent.job_id: parent})
        return [_row(spec, parent, after, now)] if after else []
    if parent.gap_from is not None:
        return _gap(tx, spec, parent, now)
    return [] if _accounted(tx, spec.id, parent.scheduled_for) else _of_occurrence(tx, spec, parent, now)


def _of_occurrence(tx: Tx, spec: JobSpec, parent: Run, now: datetime) -> list[dict[str, Any]] | None:
    if len(spec.after) == 1:
        after = rules.follow(spec.after, {parent.job_id: parent})
    else:
        found = chain_parents.of(tx, spec, parent.scheduled_for)
        after = rules.follow(spec.after, {**found.ended, str(parent.job_id): parent}, found.absent)
        if after is None and found.owed:
            return None
    return [_row(spec, parent, after, now) | {"chain_key": _key(parent)}] if after else []


def _key(parent: Run) -> str:
    return iso(parent.scheduled_for)


def _row(spec: JobSpec, parent: Run, after: rules.Next, now: datetime) -> dict[str, Any]:
    skipped = after.reason is not None
    return {
        "id": RunId(new_run_id()),
        "job_id": spec.id,
        "state": RunState.SKIPPED if skipped else RunState.QUEUED,
        "origin": Origin.CHAIN,
        "due_at": now,
        "gap_from": None,
        "gap_count": 0,
        "max_attempts": spec.max_attempts,
        "pool": spec.pool,
        "priority": spec.priority,
        "reason": after.reason,
        "created_at": now,
        "finished_at": now if skipped else None,
        "chain_at": parent.scheduled_for,
        "chain_key": None,
        "parents": dict(after.parents) or None,
        "flows": True,
    }


def _gap(tx: Tx, spec: JobSpec, parent: Run, now: datetime) -> list[dict[str, Any]]:
    """Return one row for a gap of the parent, less what the child has rows for already."""
    begin, end = parent.gap_from, parent.scheduled_for
    single = (_q.job_id == spec.id, _q.chain_key.is_not(None), _q.gap_from.is_(None))
    counted = select(func.count()).where(*single, _q.chain_at >= begin, _q.chain_at <= end)
    count = parent.gap_count - tx.execute(counted).scalar_one()
    if count <= 0 or _accounted(tx, spec.id, end, gaps_only=True):
        return []
    after = rules.follow(spec.after, {parent.job_id: parent})
    if after is None:
        return []
    gap = {"gap_from": begin, "gap_count": count, "chain_key": f"{_key(parent)} gap"}
    return [_row(spec, parent, after, now) | gap]


def _accounted(tx: Tx, job_id: str, at: datetime, *, gaps_only: bool = False) -> bool:
    """Say whether a row of the child stands for an occurrence already."""
    gap = and_(_q.gap_from <= at, _q.chain_at >= at)
    one = gap if gaps_only else or_(gap, _q.chain_key == iso(at))
    found = select(_q.id).where(_q.job_id == job_id, _q.chain_key.is_not(None), one).limit(1)
    return tx.execute(found).first() is not None
