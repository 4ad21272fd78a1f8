"""The runners that are alive, and when each scheduled duty last finished."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from .database import Tx
from .dialect import upsert
from .schema import duties, runners

TICK = "tick"


@dataclass(frozen=True, slots=True)
class Runner:
    """A process that executes runs."""

    name: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    revision: str | None = None  # that it has loaded
    draining: bool = False  # it claims nothing any more


def duty_done(tx: Tx, name: str, *, at: datetime, detail: dict[str, Any] | None = None) -> None:
    """Note that a duty was done."""
    values = {"at": at, "detail": detail}
    tx.execute(upsert(tx, duties, {"name": name}, values))


def duty(tx: Tx, name: str) -> tuple[datetime, dict[str, Any] | None] | None:
    """Return when a duty was last done and what it noted, or None."""
    row = tx.execute(select(duties.c.at, duties.c.detail).where(duties.c.name == name)).first()
    return (row[0], row[1]) if row else None


def runner_seen(tx: Tx, runner: Runner) -> None:
    """Register a runner or renew its presence."""
    values = {"seen_at": runner.seen_at, "revision": runner.revision}
    first = {
        "host": runner.host,
        "pid": runner.pid,
        "version": runner.version,
        "started_at": runner.started_at,
    }
    tx.execute(upsert(tx, runners, {"name": runner.name}, values, first=first))


def drain(tx: Tx, name: str, *, draining: bool) -> bool:
    """Have a runner claim nothing more, or claim again; return whether there is one of that name."""
    return tx.execute(update(runners).where(runners.c.name == name).values(draining=draining)).rowcount == 1


def draining(tx: Tx, name: str) -> bool:
    """Say whether a runner is to claim nothing more."""
    return bool(tx.execute(select(runners.c.draining).where(runners.c.name == name)).scalar())


def runner_gone(tx: Tx, name: str) -> None:
    """Forget a runner that stopped."""
    tx.execute(delete(runners).where(runners.c.name == name))


def forget_runners(tx: Tx, *, before: datetime) -> None:
    """Forget runners not seen since an instant; a drained one a day later, as it may only be cut off."""
    forgotten = or_(
        and_(~runners.c.draining, runners.c.seen_at < before), runners.c.seen_at < before - timedelta(days=1)
    )
    tx.execute(delete(runners).where(forgotten))


def all_runners(tx: Tx) -> list[Runner]:
    """Return the runners there are, the longest-lived first."""
    rows = tx.execute(select(runners).order_by(runners.c.started_at))
    return [
        Runner(r.name, r.host, r.pid, r.version, r.started_at, r.seen_at, r.revision, r.draining)
        for r in rows
    ]
