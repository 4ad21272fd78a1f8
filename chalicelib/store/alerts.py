"""Alerts, one row per channel: written when they are due, kept until a while after their delivery.

A waiting alert has a time at which it is tried next. The sender that tries it first moves that time ahead, so
that of two processes one sends it; one that dies meanwhile leaves it to be sent again: at least once, never
lost.

Alerts about one subject and kind go out through a channel in the order of their writing: while one waits, for
whatever reason, no later one is claimed. So the last thing told is the last thing true.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, tuple_, update

from chalicelib.clock import iso
from chalicelib.model.runs import new_run_id

from .database import Tx
from .postgres import locks
from .schema import alerts

TICK = timedelta(milliseconds=1)

_a = alerts.c
_other = alerts.alias("other").c
_waiting = _a.try_at.is_not(None)
_EVENTS = ("job.missed",)  # each tells of something else, so none makes another one untrue


def _subject(c: Any) -> ColumnElement[str]:
    """Return the present name of what an alert is about; NULL when it names nothing."""
    return func.coalesce(c.data["renamed_to"].as_string(), c.data["subject"].as_string())


_same = (
    (_other.channel == _a.channel)
    & (_subject(_other) == _subject(_a))
    & (_other.data["kind"].as_string() == _a.data["kind"].as_string())
    & _a.type.not_in(_EVENTS)
    & _other.try_at.is_not(None)
)
_position = tuple_(_a.created_at, _a.id)
_other_position = tuple_(_other.created_at, _other.id)


def _behind(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an earlier alert about the same subject waits, or is being sent."""
    return select(_other.id).where(_same, _other.try_at > now, _other_position < _position).exists()


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

    @property
    def about(self) -> tuple[str, str] | None:
        """The subject and kind whose alerts go out in order; None if this one is independent of others."""
        subject = self.data.get("renamed_to") or self.data.get("subject")
        independent = subject is None or self.data.get("kind") is None or self.type in _EVENTS
        return None if independent else (str(subject), str(self.data["kind"]))


def put(tx: Tx, channels: Sequence[str], type_: str, data: Mapping[str, Any], *, now: datetime) -> None:
    """Owe people a message, through each of these channels, from now on.

    It comes after all that waits about its subject, also when this machine's clock is behind.
    """
    about = (_subject(_a) == data.get("subject")) & (_a.data["kind"].as_string() == data.get("kind"))
    newer = select(func.max(_a.created_at)).where(_waiting, _a.created_at > now, about)
    newest: datetime | None = tx.execute(newer).scalar() if data.get("subject") else None
    created_at = now if newest is None else newest + TICK
    rows = [
        {
            "id": new_run_id(),
            "channel": channel,
            "type": type_,
            "data": dict(data),
            "created_at": created_at,
            "tries": 0,
            "try_at": now,
        }
        for channel in channels
    ]
    if rows:
        tx.execute(insert(alerts), rows)


def claim(tx: Tx, channel: str, *, now: datetime, until: datetime, most: int) -> list[Alert]:
    """Take up to `most` due alerts, in the order of their writing; reserve them until `until`.

    What waits behind an earlier alert about its subject is left where it is.
    """
    locks.hold(tx, locks.ALERTS)
    due = (
        select(alerts)
        .where(_a.try_at <= now, _a.channel == channel, ~_behind(now))
        .order_by(_a.created_at, _a.id)
        .limit(most)
    )
    found = [Alert(*row) for row in tx.execute(due)]
    hold(tx, [one.id for one in found], until=until)
    return found


def claim_next(tx: Tx, refused: Alert, *, until: datetime) -> Alert | None:
    """Take the alert that waits directly behind a refused one about its subject, if there is one."""
    locks.hold(tx, locks.ALERTS)
    row = tx.execute(
        select(alerts)
        .where(select(_other.id).where(_same, _other.id == refused.id, _other_position < _position).exists())
        .order_by(_a.created_at, _a.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    hold(tx, [row.id], until=until)
    return Alert(*row)


def drop(tx: Tx, refused: Alert) -> None:
    """Delete an alert that a later one about its subject has made untrue."""
    tx.execute(delete(alerts).where(_a.id == refused.id, _waiting))


def hold(tx: Tx, ids: Sequence[str], *, until: datetime) -> None:
    """Keep other senders from these until an instant."""
    if ids:
        tx.execute(update(alerts).where(_a.id.in_(ids), _waiting).values(try_at=until))


def sent(tx: Tx, ids: Sequence[str], *, now: datetime) -> None:
    """Note that these were delivered."""
    locks.hold(tx, locks.ALERTS)
    tx.execute(update(alerts).where(_a.id.in_(ids)).values(sent_at=now, try_at=None, error=None))


def failed(tx: Tx, ids: Sequence[str], error: str, *, try_at: datetime) -> None:
    """Note that these could not be delivered, why, and when they are tried again."""
    locks.hold(tx, locks.ALERTS)
    tx.execute(
        update(alerts).where(_a.id.in_(ids), _waiting).values(tries=_a.tries + 1, error=error, try_at=try_at)
    )


def put_back(tx: Tx, ids: Sequence[str], error: str, *, now: datetime) -> None:
    """Note why these could not be tried, and that they are due again: their channel is at fault, not they."""
    locks.hold(tx, locks.ALERTS)
    tx.execute(update(alerts).where(_a.id.in_(ids), _waiting).values(error=error, try_at=now))


def postpone(tx: Tx, channel: str, *, until: datetime) -> None:
    """Let nothing that waits for a channel be tried before an instant, by any process."""
    locks.hold(tx, locks.ALERTS)
    tx.execute(update(alerts).where(_a.channel == channel, _a.try_at < until).values(try_at=until))


def names_told(tx: Tx, subject: str, kind: str, *, since: datetime) -> list[str]:
    """Return the names under which people were told of an incident since it began, former ones first."""
    c = _a.data
    told = select(c["subject"].as_string()).where(
        _a.created_at >= since,
        c["kind"].as_string() == kind,
        c["since"].as_string() == iso(since),
        _subject(_a) == subject,
    )
    return list(dict.fromkeys(tx.execute(told.order_by(_a.created_at, _a.id)).scalars()))


def rename(tx: Tx, old: str, new: str, *, but: Collection[str]) -> None:
    """Note in what people were told of a job, or will be, that it has another id now; not of some kinds."""
    c = _a.data
    of_job = (_subject(_a) == old) & (c["job_id"].as_string() == c["subject"].as_string())
    for row in tx.execute(select(alerts).where(of_job, c["kind"].as_string().not_in(but))).all():
        tx.execute(update(alerts).where(_a.id == row.id).values(data={**row.data, "renamed_to": new}))


def waiting(tx: Tx, channel: str | None = None) -> int:
    """Return how many are not delivered yet, through one channel or all."""
    query = select(func.count()).where(_waiting).select_from(alerts)
    return tx.execute(query if channel is None else query.where(_a.channel == channel)).scalar_one()


def waiting_about(tx: Tx) -> set[tuple[str, str, str]]:
    """Return (channel, subject, kind) of what is not delivered yet."""
    found = tx.execute(select(_a.channel, _subject(_a), _a.data["kind"].as_string()).where(_waiting))
    return {(row[0], row[1], row[2]) for row in found}


def last_sent(tx: Tx) -> datetime | None:
    """Return when an alert was last delivered; None if none of those that are kept was."""
    at: datetime | None = tx.execute(select(func.max(_a.sent_at))).scalar()
    return at


def last_error(tx: Tx) -> str | None:
    """Return why the alert that is tried next could not be delivered, None if none failed."""
    failing = select(_a.error).where(_waiting, _a.error.is_not(None)).order_by(_a.try_at).limit(1)
    error: str | None = tx.execute(failing).scalar()
    return error


def next_try(tx: Tx, channel: str, *, now: datetime) -> datetime | None:
    """Return when the next alert of a channel can be claimed (it may be past), None if none waits."""
    earliest = select(func.min(_a.try_at)).where(_a.channel == channel)
    at: datetime | None = tx.execute(earliest.where(_a.try_at <= now, ~_behind(now))).scalar()
    return at or tx.execute(earliest.where(_a.try_at > now)).scalar()


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` alerts that were delivered before an instant; return how many."""
    old = (
        tx.execute(select(_a.id).where(_a.sent_at < before).order_by(_a.sent_at).limit(most)).scalars().all()
    )
    if old:
        tx.execute(delete(alerts).where(_a.id.in_(old)))
    return len(old)
