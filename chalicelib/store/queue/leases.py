"""Leases: renewing the right to execute, and seeing that an owner renews no longer.

A lease is an owner, a generation that grows with every claim (the fence), a beat that grows with every
renewal, and the time of the newest one by the clock of the store. Where that clock is the database server's,
a lease lapses by that time; where it is a machine's own, which may be set, a rescuer watches (generation,
beat) stand still by its monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, func, select, update

from chalicelib.model.runs import Run, RunId
from chalicelib.model.usage import Usage
from chalicelib.store.database import Tx
from chalicelib.store.history import as_run
from chalicelib.store.schema import RUNNING, attempts, job_queue
from chalicelib.text import storable

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class Lease:
    """One running run as its owner sees it: who holds which generation, and whether it shall be stopped."""

    run_id: RunId
    owner: str
    generation: int
    beat: int
    cancel_reason: str | None
    renewed_at: datetime  # or claimed, if it never was


_columns = (_q.id, _q.lease_owner, _q.lease_generation, _q.lease_beat, _q.cancel_reason)
_claimed_at = (
    select(attempts.c.started_at)
    .where(attempts.c.run_id == _q.id, attempts.c.number == _q.attempt)
    .scalar_subquery()
)
_renewed_at = case((_q.lease_beat_at > _claimed_at, _q.lease_beat_at), else_=_claimed_at)
_all = select(*_columns, _renewed_at).where(_q.state == RUNNING)
_heartbeat = (
    update(job_queue)
    .where(
        _q.state == RUNNING,
        _q.lease_owner == bindparam("owner"),
        _q.id.in_(bindparam("runs", expanding=True)),
    )
    .values(lease_beat=_q.lease_beat + 1, lease_beat_at=bindparam("now"))
    .returning(*_columns, _q.lease_beat_at)
)


def _as_lease(row: Sequence[object]) -> Lease:
    return Lease(*row)  # type: ignore[arg-type] # six columns in the order of the fields


def running(tx: Tx, *, owner: str | None = None) -> list[Lease]:
    """Return every live lease, or those of one owner."""
    query = _all if owner is None else _all.where(_q.lease_owner == owner)
    return [_as_lease(row) for row in tx.execute(query)]


_counts = select(_q.lease_owner, func.count()).where(_q.state == RUNNING).group_by(_q.lease_owner)


def count_by_owner(tx: Tx) -> dict[str, int]:
    """Return how many runs each owner executes; an owner without one is not in it."""
    return {str(row[0]): int(row[1]) for row in tx.execute(_counts)}


def heartbeat(tx: Tx, run_ids: Sequence[str], *, owner: str, now: datetime) -> list[Lease]:
    """Renew an owner's leases of these runs at once and return them: what is missing was taken over."""
    return [
        _as_lease(row) for row in tx.execute(_heartbeat, {"owner": owner, "runs": list(run_ids), "now": now})
    ]


def held(tx: Tx, lease: Lease) -> Run | None:
    """Return the run if this very lease (generation and beat) still stands, so that a rescue may end it."""
    row = tx.execute(
        select(job_queue)
        .where(
            _q.id == lease.run_id,
            _q.state == RUNNING,
            _q.lease_owner == lease.owner,
            _q.lease_generation == lease.generation,
            _q.lease_beat == lease.beat,
        )
        .with_for_update()  # no beat comes between this and the rescue
    ).first()
    return as_run(row) if row else None


def note_progress(tx: Tx, run: Run, *, owner: str, fraction: float, note: str, now: datetime) -> None:
    """Record how far a running attempt says it is, and since when; nothing if its lease was taken over."""
    tx.execute(
        update(job_queue)
        .where(_q.id == run.id, _q.lease_owner == owner, _q.lease_generation == run.lease_generation)
        .values(progress=fraction, progress_note=storable(note)[:500], progress_at=now)
    )


def note_usage(tx: Tx, run: Run, usage: Usage, *, owner: str) -> None:
    """Record what the processes of a running attempt used so far; nothing if its lease was taken over."""
    lease = select(_q.id).where(
        _q.id == run.id,
        _q.state == RUNNING,
        _q.lease_owner == owner,
        _q.lease_generation == run.lease_generation,
    )
    tx.execute(
        update(attempts)
        .where(attempts.c.run_id == run.id, attempts.c.number == run.attempt, lease.exists())
        .values(usage=storable(usage.as_json()))
    )
