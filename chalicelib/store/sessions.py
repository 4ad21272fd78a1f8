"""The sessions of browsers that were signed out: a copy of their cookie counts no more.

A cookie proves itself, so no session is stored while it lasts; of one that was ended a digest is kept until
the cookie would have ended by itself.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import delete, select

from .database import Tx
from .dialect import insert
from .schema import ended_sessions

_c = ended_sessions.c


def end(tx: Tx, cookie: str, *, until: datetime) -> None:
    """Note that a cookie counts no more; without this it would until `until`."""
    row = {"mark": _mark(cookie), "until": until}
    tx.execute(insert(tx, ended_sessions).values(**row).on_conflict_do_nothing())


def is_ended(tx: Tx, cookie: str) -> bool:
    """Return whether a cookie was signed out."""
    return tx.execute(select(_c.mark).where(_c.mark == _mark(cookie))).first() is not None


def prune(tx: Tx, *, before: datetime) -> None:
    """Forget cookies that ended by themselves before an instant."""
    tx.execute(delete(ended_sessions).where(_c.until < before))


def _mark(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
