"""A review is repeated, cut off, or made by several runners, and costs what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from chalicelib.alerting import incidents
from chalicelib.alerting.incidents import review
from chalicelib.store import Store, alerts, schema
from tests.conftest import ManualClock, define
from tests.unit.store.test_run_choice import reads_all

from .conftest import BAD, GOOD, YEARLY, World

pytestmark = pytest.mark.every_store


def test_a_crash_between_the_change_and_its_alert_leaves_neither(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)

    def crash(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(alerts, "put", crash)
        with pytest.raises(RuntimeError):
            world.look()
    assert world.open() == []
    assert world.types() == ["job.failing"]


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_two_runners_that_look_at_once_tell_once(store: Store, clock: ManualClock) -> None:
    world = World(store, clock)
    for number in range(20):
        define(store, clock, f"j{number}", YEARLY)
        world.end(f"j{number}", BAD)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: review(store, clock, world.settings), range(8)))
    assert sum(found) == 20
    assert world.types() == ["job.failing"] * 20
    for number in range(20):
        world.end(f"j{number}", GOOD)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: review(store, clock, world.settings), range(8)))
    assert sum(found) == 20
    assert world.types() == ["job.recovered"] * 20


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # its plans are read
def test_a_whole_pass_over_10000_healthy_jobs_reads_none_of_them(store: Store, clock: ManualClock) -> None:
    world = World(store, clock)
    define(store, clock, "j", YEARLY)
    assert world.types() == []
    clock.move(days=30)
    with store.write() as tx:
        job = tx.execute(schema.jobs.select()).mappings().one()
        tx.execute(insert(schema.jobs), [dict(job) | {"job_id": f"job-{n}"} for n in range(10_000)])
    ago = clock.now() - timedelta(days=1)
    common = {
        "state": "succeeded",
        "origin": "trigger",
        "due_at": ago,
        "max_attempts": 1,
        "created_at": ago,
        "finished_at": ago,
    }
    with store.write() as tx:
        tx.execute(
            insert(schema.job_queue),
            [common | {"id": f"old-{n}", "job_id": f"job-{n}"} for n in range(10_000)],
        )
        tx.execute(
            update(schema.duties).where(schema.duties.c.name == incidents.ALERTS).values(at=clock.now())
        )
    plans = plans_of(store, lambda: world.types() == [])
    assert len(plans) <= 12
    scans = [
        line for lines in plans.values() for line in lines if line.startswith("SCAN") and "USING" not in line
    ]
    assert [line for line in scans if "bundle_state" not in line] == []  # one row
    assert [line for lines in plans.values() for line in reads_all("\n".join(lines))] == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # its plans are read
def test_a_look_at_a_job_that_just_ended_well_takes_few_reads_by_index(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", GOOD)
    plans = plans_of(world.store, lambda: world.types("j") == [])
    assert len(plans) <= 4
    assert [
        line for lines in plans.values() for line in lines if line.startswith("SCAN") and "USING" not in line
    ] == []


def plans_of(store: Store, act: Callable[[], bool]) -> dict[str, list[str]]:
    """Return how SQLite executes each statement that reviewing makes."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "alerts" not in statement and not statement.startswith(("BEGIN", "UPDATE duties")):
            said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        assert act()
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    with store.read() as tx:
        return {
            statement: [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in said
        }
