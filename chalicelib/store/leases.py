"""Leases: renewing the right to execute, and seeing that an owner renews no longer.

A lease is an owner, a generation that grows with every claim (the fence), and a beat that grows with every renewal. The store
holds no expiry time: a rescuer watches (generation, beat) stand still by its own monotonic clock, so that clocks that disagree
between machines rescue nobody by mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from chalicelib.runs import Run, RunId

from .database import Tx
from .history import as_run
from .postgres import storable
from .schema import RUNNING, job_queue

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class Lease:
    """One running run as its owner sees it: who holds which generation, and whether it shall be stopped."""

    run_id: RunId
    owner: str
    generation: int
    beat: int
    cancel_reason: str | None


_columns = (_q.id, _q.lease_owner, _q.lease_generation, _q.lease_beat, _q.cancel_reason)
_all = select(*_columns).where(_q.state == RUNNING)
_beat = (
    update(job_queue)
    .where(_q.state == RUNNING, _q.lease_owner == bindparam("owner"), _q.id.in_(bindparam("runs", expanding=True)))
    .values(lease_beat=_q.lease_beat + 1)
    .returning(*_columns)
)


def _as_lease(row: Sequence[object]) -> Lease:
    return Lease(*row)  # type: ignore[arg-type] # five columns in the order of the fields


def running(tx: Tx, *, owner: str | None = None) -> list[Lease]:
    """Answer every live lease, or those of one owner."""
    query = _all if owner is None else _all.where(_q.lease_owner == owner)
    return [_as_lease(row) for row in tx.execute(query)]


def beat(tx: Tx, run_ids: Sequence[str], *, owner: str) -> list[Lease]:
    """Renew an owner's leases of these runs at once and answer them: what is missing was taken over."""
    return [_as_lease(row) for row in tx.execute(_beat, {"owner": owner, "runs": list(run_ids)})]


def held(tx: Tx, lease: Lease) -> Run | None:
    """Answer the run if this very lease (generation and beat) still stands, so that a rescue may end it."""
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


def note_progress(tx: Tx, run: Run, *, owner: str, fraction: float, note: str) -> None:
    """Record how far a running attempt says it is; nothing if its lease was taken over."""
    tx.execute(
        update(job_queue)
        .where(_q.id == run.id, _q.lease_owner == owner, _q.lease_generation == run.lease_generation)
        .values(progress=fraction, progress_note=storable(note)[:500])
    )
