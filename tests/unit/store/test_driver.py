"""A statement that goes to the driver says and returns what SQLAlchemy would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from chalicelib.model.runs import RunState
from chalicelib.store import Store
from chalicelib.store.driver import Statement
from chalicelib.store.schema import job_queue
from tests.conftest import observed

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


class Writes:
    """Counts what a store says of its writing."""

    def __init__(self) -> None:
        self.done = 0

    def wrote(self) -> None:
        self.done += 1

    def refused(self, _error: SQLAlchemyError) -> None:
        raise AssertionError("nothing is refused here")


def test_many_rows_are_written_at_once_and_every_row_is_read(store: Store) -> None:
    columns = tuple(COLUMNS)
    put_each = Statement(insert(job_queue), columns=columns)
    rows = [COLUMNS | {"id": f"r{number}", "progress": number / 8} for number in range(3)]
    with store.write() as tx:
        assert put_each.changed_by_each(tx, rows) == 3
        assert put_each.changed_by_each(tx, []) in {0, -1}
    all_of_them = Statement(select(_q.progress, _q.params).where(_q.id > bindparam("low")).order_by(_q.id))
    with store.read() as tx:
        found = all_of_them.all(tx, {"low": "r0"})
        assert [(row.progress, row.params) for row in found] == [(n / 8, COLUMNS["params"]) for n in (1, 2)]
        assert all_of_them.value(tx, {"low": "r1"}) == 2 / 8
        assert (all_of_them.all(tx, {"low": "r2"}), all_of_them.value(tx, {"low": "r2"})) == ([], None)


def test_the_store_knows_of_rows_that_the_driver_changed(store: Store) -> None:
    observer = Writes()
    with observed(store, observer) as watched:
        put(watched)
        assert observer.done == 1
        with watched.write() as tx:
            ONE.first(tx, {"run": "r1"})
    assert observer.done == 1


def test_what_the_database_refuses_is_raised_as_from_any_other_statement(store: Store) -> None:
    put(store)
    with pytest.raises(IntegrityError):
        put(store)
    with pytest.raises(IntegrityError, match=r"running_has_owner|CHECK"):
        put(store, id="r2", state="running", finished_at=None)
    with store.read() as tx:
        assert ONE.first(tx, {"run": "r2"}) is None
