"""The times in which no tick came and occurrences may have been missed: since when Sauron was down."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from .database import Tx
from .dialect import insert
from .schema import silences

_c = silences.c


def note(tx: Tx, *, since: datetime, until: datetime) -> None:
    """Note a silence by the tick before it and the one after it; of runners that see it at once one does."""
    tx.execute(insert(tx, silences).values(since=since, until=until).on_conflict_do_nothing())


def over(tx: Tx, instant: datetime) -> tuple[datetime, datetime] | None:
    """Return the silence that an instant lies in, or None."""
    found = select(_c.since, _c.until).where(_c.since < instant, _c.until >= instant)
    row = tx.execute(found.order_by(_c.since.desc()).limit(1)).first()
    return (row[0], row[1]) if row else None


def since(tx: Tx, instant: datetime) -> list[tuple[datetime, datetime]]:
    """Return the silences that were not over at an instant, the first of them first."""
    found = tx.execute(select(_c.since, _c.until).where(_c.until > instant).order_by(_c.since))
    return [(row[0], row[1]) for row in found]


def prune(tx: Tx, *, before: datetime) -> None:
    """Forget silences that ended before an instant."""
    tx.execute(delete(silences).where(_c.until < before))
