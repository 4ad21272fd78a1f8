"""Migration 0015 keeps every attempt and leaves one tree for them."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from chalicelib.model.runs import Origin, RunState
from chalicelib.store import Store
from chalicelib.store.queue import claims
from chalicelib.store.schema import attempts
from tests.conftest import ManualClock, define
from tests.unit.store.older import as_schema
from tests.unit.store.test_run_totals import queued, run

pytestmark = pytest.mark.every_store


def test_attempts_of_before_are_kept_and_go_on(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *", overlap="allow")
    for outcome in ("failed", "succeeded"):
        run(store, clock, "a", outcome)
    with store.write() as tx:
        queued(tx, clock.now(), "a", origin=Origin.TRIGGER)
        running = claims.claim(tx, owner="me", now=clock.now()).run
    assert running
    assert running.state is RunState.RUNNING
    every = select(attempts).order_by(attempts.c.run_id, attempts.c.number)
    with store.read() as tx:
        before = tx.execute(every).all()
    assert len(before) == 3
    with store.write() as tx:
        as_schema(store, tx, "0014")
    store.migrate(keep_copy=False)
    with store.read() as tx:
        assert tx.execute(every).all() == before
        if store.sqlite:
            made = tx.execute(text("SELECT sql FROM sqlite_master WHERE name = 'attempts'")).scalar_one()
            assert "WITHOUT ROWID" in made
