"""A statement that goes to the driver says and returns what SQLAlchemy would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from chalicelib.model.runs import RunState
from chalicelib.store import Store
from chalicelib.store.driver import Statement
from chalicelib.store.schema import job_queue

pytestmark = pytest.mark.every_store

_q = job_queue.c
NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
COLUMNS = {
    "id": "r1",
    "job_id": "j",
    "state": RunState.FAILED,
    "origin": "trigger",
    "due_at": NOON,
    "fire_at": None,
    "max_attempts": 2,
    "params": {"n": [1, "\U0001f600", None]},
    "force": True,
    "created_at": NOON.astimezone(timezone(timedelta(hours=5))),
    "finished_at": NOON + timedelta(seconds=1),
    "result": None,
    "progress": 0.5,
}
PUT = Statement(insert(job_queue).values({name: bindparam(f"a_{name}") for name in COLUMNS}))
ONE = Statement(select(job_queue).where(_q.id == bindparam("run")))


def put(store: Store, **more: Any) -> int:
    with store.write() as tx:
        return PUT.changed(tx, {f"a_{name}": value for name, value in (COLUMNS | more).items()})


def test_values_are_written_and_read_by_the_types_of_their_columns(store: Store) -> None:
    assert put(store) == 1
    with store.read() as tx:
        row: Any = ONE.first(tx, {"run": "r1"})
        beside = tx.execute(select(job_queue)).one()
    for name, value in COLUMNS.items():
        assert getattr(row, name) == value, name
        assert getattr(beside, name) == value, name
    assert row._fields == tuple(job_queue.columns.keys())
    assert row.created_at.utcoffset() == timedelta(0)
    assert row.force is True


def test_what_is_not_there_is_none_and_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        assert ONE.first(tx, {"run": "nobody"}) is None
        assert (
            Statement(update(job_queue).where(_q.id == bindparam("run")).values(reason=None)).changed(
                tx, {"run": "nobody"}
            )
            == 0
        )


def test_constants_of_the_expression_need_no_value(store: Store) -> None:
    put(store)
    end = Statement(
        update(job_queue)
        .where(_q.id == bindparam("run"), _q.state == RunState.FAILED)
        .values(params={"of": "the text"}, reason=None)
        .returning(_q.params)
    )
    with store.write() as tx:
        row: Any = end.first(tx, {"run": "r1"})
    assert row.params == {"of": "the text"}


def test_what_the_database_refuses_is_raised_as_from_any_other_statement(store: Store) -> None:
    put(store)
    with pytest.raises(IntegrityError):
        put(store)
    with pytest.raises(IntegrityError, match=r"running_has_owner|CHECK"):
        put(store, id="r2", state="running", finished_at=None)
    with store.read() as tx:
        assert ONE.first(tx, {"run": "r2"}) is None
