"""A tick after downtime beside a claim that is not committed yet; SQLite has one writer at a time."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, update

from chalicelib.answers.audit import audit
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store
from chalicelib.store.schema import RUNNING, job_queue
from tests.conftest import ManualClock, define

PATIENCE_SECONDS = 60.0
_q = job_queue.c


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_it_neither_waits_for_the_claim_nor_accounts_for_what_is_being_claimed(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "minutely")
    tick(store, clock)
    with store.read() as tx:
        ahead = tx.execute(select(_q.id, _q.fire_at).order_by(_q.fire_at)).all()
    clock.move(seconds=240)  # four occurrences are past, the first ones of them queued
    other = Store(store.url.render_as_string(hide_password=False))
    ticking = threading.Thread(target=tick, args=(store, clock))
    with other.write() as tx:
        claimed = {"state": RUNNING, "attempt": 1, "lease_owner": "other", "started_at": clock.now()}
        tx.execute(update(job_queue).where(_q.id == ahead[-1].id).values(claimed))
        ticking.start()
        ticking.join(PATIENCE_SECONDS)
        waits = ticking.is_alive()
    ticking.join()
    other.close()
    assert not waits
    with store.read() as tx:
        assert not audit(tx, now=clock.now()).holes
        rows = tx.execute(select(_q.fire_at, _q.gap_count, _q.state).order_by(_q.fire_at)).all()
    past = [row for row in rows if row.fire_at <= clock.now()]
    found = [row.state for row in past for _ in range(row.gap_count or 1)]
    assert found == ["missed", "running", "missed", "queued"]
    assert len(ahead) > 1
