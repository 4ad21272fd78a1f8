"""The runners: which processes execute runs, and which of them claim nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select, update

from .database import Tx
from .dialect import upsert
from .schema import runners


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


def runner_seen(tx: Tx, runner: Runner) -> None:
    """Register a runner, or note that it is still alive."""
    values = {"seen_at": runner.seen_at, "revision": runner.revision}
    first = {
        "host": runner.host,
        "pid": runner.pid,
        "version": runner.version,
        "started_at": runner.started_at,
    }
    upsert(tx, runners, {"name": runner.name}, values, first=first)


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


def forget_all(tx: Tx) -> None:
    """Forget every runner: in a copy of a store none lives."""
    tx.execute(delete(runners))


def all_runners(tx: Tx) -> list[Runner]:
    """Return the runners there are, the longest-lived first."""
    rows = tx.execute(select(runners).order_by(runners.c.started_at))
    return [
        Runner(r.name, r.host, r.pid, r.version, r.started_at, r.seen_at, r.revision, r.draining)
        for r in rows
    ]
