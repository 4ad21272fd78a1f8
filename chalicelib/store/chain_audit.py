"""The ledger's proof for chains: what the ends of its parents decide about a job is in one of its rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from chalicelib.model import chains as rules
from chalicelib.model.jobs import Job

from . import periods
from .database import Tx
from .queue import chain_parents
from .schema import chain_ends, job_queue

_q = job_queue.c


def unasked(tx: Tx, child: Job, *, until: datetime) -> tuple[list[tuple[datetime, str]], int]:
    """Return the occurrences that a child has no row for, each with why it is owed one; and how many it owes.

    Looked at are parents that ended up to `until` while the child's present definition was in force. What is
    noted and waits to be followed is not a hole.
    """
    period = next((one for one in periods.periods_of(tx, child.id) if one.until is None), None)
    if not child.spec.after or period is None or child.removed_at is not None:
        return [], 0
    noted = select(chain_ends.c.run_id)
    at = func.coalesce(_q.fire_at, _q.chain_at).label("at")
    of_parents = select(_q.job_id, at).where(
        _q.job_id.in_(child.spec.after),
        _q.gap_from.is_(None),
        _q.fire_at.is_not(None) | _q.chain_key.is_not(None),
        _q.finished_at > max(period.since, periods.ledger_from(tx, child.id)),
        _q.finished_at <= until,
        _q.id.not_in(noted),
    )
    ended: dict[datetime, set[str]] = {}
    for row in tx.execute(of_parents):
        ended.setdefault(row.at, set()).add(row.job_id)
    owed = sorted(ended)
    mine = select(_q.chain_at, _q.gap_from).where(_q.job_id == child.id, _q.chain_key.is_not(None))
    rows = list(tx.execute(mine))
    single = {row.chain_at for row in rows}
    gaps = [(row.gap_from, row.chain_at) for row in rows if row.gap_from is not None]
    lost = [at for at in owed if at not in single and not any(a <= at <= b for a, b in gaps)]
    holes = [
        (at, f"{' and '.join(sorted(ended[at]))} ended")
        for at in lost
        if len(child.spec.after) == 1 or _is_decided(tx, child, at)
    ]
    return holes, len(owed)


def _is_decided(tx: Tx, child: Job, at: datetime) -> bool:
    """Say whether the parents' rows for an occurrence, or their absence, decide about the child."""
    found = chain_parents.of(tx, child.spec, at)
    return rules.follow(child.spec.after, found.ended, found.absent) is not None
