"""Which runs a message was sent for, and until when it is believed to be on its way.

Nothing depends on it but the number of messages: one too many finds nothing to claim, and for one that was lost the next tick
sends another.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select, update

from .database import Tx
from .schema import QUEUED, job_queue

_q = job_queue.c


def undispatched(tx: Tx, *, now: datetime, horizon: datetime, most: int) -> list[tuple[str, datetime]]:
    """Answer id and due time of queued runs that are due until `horizon` and have no message under way, the first due first."""
    rows = tx.execute(
        select(_q.id, _q.due_at)
        .where(_q.state == QUEUED, _q.due_at <= horizon, or_(_q.dispatched_until.is_(None), _q.dispatched_until <= now))
        .order_by(_q.due_at, _q.id)
        .limit(most)
    )
    return [(row.id, row.due_at) for row in rows]


def dispatched(tx: Tx, run_ids: Collection[str], *, until: datetime) -> None:
    """Note that messages for these runs are under way."""
    tx.execute(update(job_queue).where(_q.id.in_(run_ids), _q.state == QUEUED).values(dispatched_until=until))


def arrived(tx: Tx, run_ids: Collection[str]) -> None:
    """Note that the messages for these runs are used up: those that are queued still get another."""
    tx.execute(update(job_queue).where(_q.id.in_(run_ids), _q.state == QUEUED).values(dispatched_until=None))
