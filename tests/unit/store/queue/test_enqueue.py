"""Runs enter the queue once, and come back as they are stored."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.model.runs import Origin, RunState, new_run_id
from chalicelib.store import Store, history
from chalicelib.store.queue import enqueue
from tests.conftest import START

pytestmark = pytest.mark.every_store


def asked(**more: Any) -> dict[str, Any]:
    row = {"id": new_run_id(), "job_id": "j", "state": RunState.QUEUED, "origin": Origin.TRIGGER}
    return row | {"max_attempts": 2, "created_at": START, "due_at": START, "params": {"n": 1}} | more


def test_a_run_that_is_asked_for_comes_back_as_it_is_stored(store: Store) -> None:
    row = asked(reason="by hand")
    with store.write() as tx:
        made = enqueue.put_requested(tx, row)
    with store.read() as tx:
        assert history.run(tx, row["id"]) == made
    assert (made.id, made.due_at, made.params, made.state) == (row["id"], START, {"n": 1}, RunState.QUEUED)


def test_the_same_key_again_returns_the_run_that_it_made(store: Store) -> None:
    with store.write() as tx:
        first = enqueue.put_requested(tx, asked(idempotency_key="k"))
    with store.write() as tx:
        again = enqueue.put_requested(tx, asked(idempotency_key="k", params=None))
        other = enqueue.put_requested(tx, asked(idempotency_key="k", job_id="other"))
    assert again == first
    assert other.id != first.id


def test_of_rows_for_one_occurrence_one_is_inserted(store: Store) -> None:
    rows = [asked(origin=Origin.SCHEDULE, fire_at=START) for _ in range(3)]
    with store.write() as tx:
        assert enqueue.put(tx, rows) == 1
        assert enqueue.put(tx, rows) == 0
        assert enqueue.put(tx, []) == 0
