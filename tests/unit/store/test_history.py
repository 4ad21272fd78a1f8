"""A run is found by its id or by the first letters of it, on every store."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import event

from chalicelib.errors import AmbiguousRunError, UnknownRunError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Origin
from chalicelib.operations.requests import new_row
from chalicelib.store import Store, history
from chalicelib.store.queue import enqueue
from tests.conftest import ManualClock, job_record

pytestmark = pytest.mark.every_store

SPEC = JobSpec.from_record(job_record("job"))
IDS = (
    "0197a3f2-6c1d-7000-8000-000000000001",
    "0197a3f2-6c1d-7000-8000-000000000002",
    "0197a3f2-6c1e-7000-8000-000000000001",
    "0197a3f3-0000-7000-8000-000000000001",
    "of-an-older-store",
    "0197",
)


@pytest.fixture
def ids(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        for run_id in IDS:
            row = new_row(SPEC, clock.now(), origin=Origin.TRIGGER, params=None, by=None, reason=None)
            enqueue.put(tx, [row | {"id": run_id}])


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (IDS[0], IDS[0]),
        ("0197a3f2-6c1e", IDS[2]),
        ("0197A3F26C1E", IDS[2]),
        ("0197a3f3", IDS[3]),
        ("of-an-older-store", IDS[4]),
        ("0197", IDS[5]),  # the whole of an id wins over the beginning of others
    ],
)
def test_a_run_is_found_by_what_names_it_alone(store: Store, given: str, found: str) -> None:
    with store.read() as tx:
        assert history.find(tx, given).id == found


@pytest.mark.usefixtures("ids")
def test_what_begins_several_ids_names_them_from_the_newest(store: Store) -> None:
    with store.read() as tx, pytest.raises(AmbiguousRunError) as caught:
        history.find(tx, "0197a3f2")
    assert caught.value.run_ids == [IDS[2], IDS[1], IDS[0]]
    assert ", ".join([IDS[2], IDS[1], IDS[0]]) in str(caught.value)
    assert "more" not in str(caught.value).partition("Give")[0]


def test_of_very_many_ids_the_newest_ten_are_named(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        for number in range(12):
            row = new_row(SPEC, clock.now(), origin=Origin.TRIGGER, params=None, by=None, reason=None)
            enqueue.put(tx, [row | {"id": f"0197a3f2-6c1d-7000-8000-0000000000{number:02}"}])
    with store.read() as tx, pytest.raises(AmbiguousRunError, match="and more") as caught:
        history.find(tx, "0197a3f2")
    assert [run_id[-2:] for run_id in caught.value.run_ids] == [f"{number:02}" for number in range(11, 1, -1)]


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("given", ["019", "0197a3f4", "0197a3f2-6c1f", "of-an", "0197%", "", "x' OR 1=1"])
def test_what_begins_no_id_is_an_unknown_run(store: Store, given: str) -> None:
    with store.read() as tx, pytest.raises(UnknownRunError):
        history.find(tx, given)


def test_the_first_letters_are_looked_for_by_the_index_of_the_ids(store: Store) -> None:
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "BETWEEN" in statement:
            said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    with store.read() as tx, pytest.raises(UnknownRunError):
        history.find(tx, "0197")
    event.remove(store.engine, "before_cursor_execute", note)
    [(statement, parameters)] = said
    with store.read() as tx:
        if store.sqlite:
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            expected = r"SEARCH job_queue USING INDEX \S+ \(id>\? AND id<\?\)"
        else:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # an empty table is read as a whole
            rows = tx.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            expected = r"Index Cond: \(\(\(id\)::text >= .* AND \(\(id\)::text <= "
        plan = " ".join(str(row[-1]) for row in rows)
    assert re.search(expected, plan), plan
