"""Alerts, one row per channel: written when they are due, kept until a while after their delivery.

A waiting alert has a time at which it is tried next. The sender that tries it first moves that time ahead, so
that of two processes one sends it; one that dies meanwhile leaves it to be sent again: at least once, never
lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from chalicelib.model.runs import new_run_id

from .database import Tx
from .schema import alerts

_a = alerts.c
_waiting = _a.try_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to one channel. `tries` counts failed tries; `try_at` is None once it was delivered."""

    id: str
    channel: str
    type: str
    data: Mapping[str, Any]
    created_at: datetime
    tries: int = 0
    try_at: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = None


def put(tx: Tx, channels: Sequence[str], type_: str, data: Mapping[str, Any], *, now: datetime) -> None:
    """Owe people a message, through each of these channels, from now on."""
    rows = [
        {
            "id": new_run_id(),
            "channel": channel,
            "type": type_,
            "data": dict(data),
            "created_at": now,
            "tries": 0,
            "try_at": now,
        }
        for channel in channels
    ]
    if rows:
        tx.execute(insert(alerts), rows)


def claim(tx: Tx, channel: str, *, now: datetime, until: datetime, most: int) -> list[Alert]:
    """Take up to `most` due alerts, in the order of their writing; reserve them until `until`."""
    due = (
        select(alerts)
        .where(_a.try_at <= now, _a.channel == channel)
        .order_by(_a.created_at, _a.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    found = [Alert(*row) for row in tx.execute(due)]
    hold(tx, [one.id for one in found], until=until)
    return found


def hold(tx: Tx, ids: Sequence[str], *, until: datetime) -> None:
    """Keep other senders from these until an instant."""
    if ids:
        tx.execute(update(alerts).where(_a.id.in_(ids), _waiting).values(try_at=until))


def sent(tx: Tx, ids: Sequence[str], *, now: datetime) -> None:
    """Note that these were delivered."""
    tx.execute(update(alerts).where(_a.id.in_(ids)).values(sent_at=now, try_at=None, error=None))


def failed(tx: Tx, ids: Sequence[str], error: str, *, try_at: datetime) -> None:
    """Note that these could not be delivered, why, and when they are tried again."""
    tx.execute(
        update(alerts).where(_a.id.in_(ids), _waiting).values(tries=_a.tries + 1, error=error, try_at=try_at)
    )


def put_back(tx: Tx, ids: Sequence[str], error: str, *, now: datetime) -> None:
    """Note why these could not be tried, and that they are due again: their channel is at fault, not they."""
    tx.execute(update(alerts).where(_a.id.in_(ids), _waiting).values(error=error, try_at=now))


def waiting(tx: Tx, channel: str | None = None) -> int:
    """Return how many are not delivered yet, through one channel or all."""
    query = select(func.count()).where(_waiting).select_from(alerts)
    return tx.execute(query if channel is None else query.where(_a.channel == channel)).scalar_one()


def last_error(tx: Tx) -> str | None:
    """Return why the alert that is tried next could not be delivered, None if none failed."""
    failing = select(_a.error).where(_waiting, _a.error.is_not(None)).order_by(_a.try_at).limit(1)
    error: str | None = tx.execute(failing).scalar()
    return error


def next_try(tx: Tx, channel: str) -> datetime | None:
    """Return when the next alert of a channel is to be tried (it may be past), None if none waits."""
    at: datetime | None = tx.execute(
        select(func.min(_a.try_at)).where(_waiting, _a.channel == channel)
    ).scalar()
    return at


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` alerts that were delivered before an instant; return how many."""
    old = (
        tx.execute(select(_a.id).where(_a.sent_at < before).order_by(_a.sent_at).limit(most)).scalars().all()
    )
    if old:
        tx.execute(delete(alerts).where(_a.id.in_(old)))
    return len(old)
