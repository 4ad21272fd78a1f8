"""On PostgreSQL, whoever decides by a row or the ledger waits for the transaction that is changing it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.store import Store, ledger
from chalicelib.store.database import Tx
from chalicelib.store.queue import finish, leases
from tests.conftest import ManualClock
from tests.unit.store.queue.test_leases import claimed

FAILED = Verdict(Outcome.FAILED, "boom")
SERVER = pytest.param("postgresql", marks=pytest.mark.postgresql)
postgresql = pytest.mark.parametrize("store", [SERVER], indirect=True)


def after(store: Store, first: Callable[[Tx], object], then: Callable[[Tx], Any]) -> Any:
    """Return what `then` returns in a transaction that began while `first` was done and not committed.

    It must wait for that commit: the test asks `pg_locks`.
    """
    found: list[Any] = []

    def second() -> None:
        with store.write() as tx:
            found.append(then(tx))

    thread = threading.Thread(target=second, daemon=True)
    with store.write() as tx:
        first(tx)
        thread.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while thread.is_alive() and not tx.execute(waiting).scalar():
            thread.join(0.01)
        assert thread.is_alive(), "it did not wait"
    thread.join(30)
    assert not thread.is_alive()
    return found[0]


@postgresql
def test_a_cancel_between_the_end_of_an_attempt_and_its_retry_cancels_the_retry(
    store: Store, clock: ManualClock
) -> None:
    (run,) = claimed(store, clock, "me")
    was = after(
        store,
        lambda tx: finish.finish(tx, run, FAILED, owner="me", now=clock.now(), retry_at=clock.now()),
        lambda tx: finish.request_cancel(tx, run.id, why="enough", now=clock.now()),
    )
    assert was is RunState.QUEUED


@postgresql
def test_an_end_that_is_being_recorded_is_waited_for(store: Store, clock: ManualClock) -> None:
    (run,) = claimed(store, clock, "me")
    clock.move(seconds=1)
    ended = after(
        store,
        lambda tx: finish.finish(tx, run, FAILED, owner="me", now=clock.now(), retry_at=None),
        lambda tx: finish.ended_at(tx, run),
    )
    assert ended == clock.now()


@postgresql
def test_a_heartbeat_that_comes_before_a_rescue_saves_the_attempt(store: Store, clock: ManualClock) -> None:
    (run,) = claimed(store, clock, "me")
    with store.read() as tx:
        (seen,) = leases.running(tx)
    held: Run | None = after(
        store,
        lambda tx: leases.heartbeat(tx, [run.id], owner="me", now=clock.now()),
        lambda tx: leases.held(tx, seen),
    )
    assert held is None


@postgresql
def test_no_heartbeat_comes_between_a_look_at_a_lease_and_its_rescue(
    store: Store, clock: ManualClock
) -> None:
    (run,) = claimed(store, clock, "me")
    with store.read() as tx:
        (seen,) = leases.running(tx)
    renewed = after(
        store,
        lambda tx: leases.held(tx, seen),
        lambda tx: leases.heartbeat(tx, [run.id], owner="me", now=clock.now()),
    )
    assert [one.run_id for one in renewed] == [run.id]


@postgresql
def test_two_acts_on_the_ledger_are_stamped_in_their_order(store: Store, clock: ManualClock) -> None:
    def act(tx: Tx) -> datetime:
        return ledger.time_of_act(tx, clock)

    times: list[datetime] = []

    def first(tx: Tx) -> None:
        times.append(act(tx))
        clock.move(seconds=5)

    later = after(store, first, act)
    assert (later - times[0]).total_seconds() == 5
