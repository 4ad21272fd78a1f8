"""`kill -9` at any moment of an upgrade of the schema: the next start does it, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from chalicelib.store import Store, copies, schema
from tests.faults.conftest import Measured
from tests.properties import examples

pytestmark = [pytest.mark.faults, pytest.mark.process]

SEED = 7
AT = "2026-03-02T12:00:30.000000Z"
KEPT = (
    'SELECT job_id, enabled, reason, "by" FROM overrides ORDER BY job_id',
    "SELECT id, job_id, state, due_at, finished_at, error FROM job_queue ORDER BY id",
    "SELECT run_id, number, outcome FROM attempts ORDER BY run_id, number",
    "SELECT job_id, record, cursor FROM jobs ORDER BY job_id",
)


def earlier_store(place: Path, version: str, *, runs: int) -> list[Any]:
    """Make a store of an earlier schema with a switch, a history and a queue; return what must stay."""
    store = Store(f"sqlite:///{place}")
    with store.write() as tx:
        Store._upgrade(tx, version)
        tx.execute(
            text(
                "INSERT INTO jobs (job_id, source, record, definition_hash, overlap, enabled, cursor, "
                "ledger_from) VALUES ('hello', 'bundle', '{}', 'h', 'skip', false, :at, :at)"
            ),
            {"at": AT},
        )
        tx.execute(
            text("INSERT INTO overrides VALUES ('hello', false, 'noisy', 'maria', :at, NULL)"), {"at": AT}
        )
        tx.execute(
            text(
                "INSERT INTO job_queue (id, job_id, state, origin, due_at, max_attempts, created_at, "
                "finished_at, error) VALUES (:id, 'hello', :state, 'manual', :at, 3, :at, :ended, :error)"
            ),
            [
                {
                    "id": f"{number:08}",
                    "state": "failed" if number % 3 else "queued",
                    "at": AT,
                    "ended": AT if number % 3 else None,
                    "error": "it was not meant to be " * 5,
                }
                for number in range(runs)
            ],
        )
        tx.execute(
            text(
                "INSERT INTO attempts (run_id, number, started_at, outcome, runner) "
                "SELECT id, 1, due_at, 'failed', 'r1' FROM job_queue WHERE state = 'failed'"
            )
        )
    store.close()
    return held(place)


def held(place: Path) -> list[Any]:
    with closing(sqlite3.connect(place)) as opened:
        return [opened.execute(query).fetchall() for query in KEPT]


def version_of(place: Path) -> str:
    with closing(sqlite3.connect(place)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return str(opened.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def migrating(place: Path, prepare: Callable[[Store], None] = lambda _: None) -> int:
    """Start a process that migrates the store; return its id."""
    child = os.fork()
    if not child:
        store = Store(f"sqlite:///{place}")
        prepare(store)
        store.migrate()
        os._exit(0)
    return child


def killed_before(statement: int) -> Callable[[Store], None]:
    """Let the process kill itself when it is about to execute its first, second, ... statement."""

    def prepare(store: Store) -> None:
        left = [statement]

        @event.listens_for(store.engine, "before_cursor_execute")
        def count(*_given: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def check_copy(place: Path, version: str, before: list[Any]) -> None:
    kept = place.with_name(f"{place.name}.schema-{version}")
    assert copies.examine(kept) == version
    assert held(kept) == before


@pytest.mark.properties  # `make faults` kills before every statement
@pytest.mark.parametrize("version", ["0001", "0004"])
def test_a_kill_before_any_statement_of_an_upgrade_loses_nothing(
    tmp_path: Path, version: str, measured: Measured
) -> None:
    """The upgrade of an older schema is killed before a statement, one after another."""
    place = tmp_path / "store.sqlite3"
    before = earlier_store(place, version, runs=30)
    step = examples(5, 1)  # statements from one kill to the next
    kills = 0
    while os.waitpid(migrating(place, killed_before(1 + kills * step)), 0)[1] != 0:
        kills += 1
        assert version_of(place) in {version, schema.HEAD}
        assert held(place) == before
    assert kills > 10
    measured(f"{kills} kills, {step} statements apart")
    check_copy(place, version, before)
    store = Store(f"sqlite:///{place}")
    assert store.migrate() is False
    store.close()
    assert (version_of(place), held(place)) == (schema.HEAD, before)


@pytest.mark.long
@pytest.mark.parametrize("version", ["0001", "0004"])
def test_a_kill_at_any_time_of_the_upgrade_of_a_big_store_loses_nothing(
    tmp_path: Path, version: str, measured: Measured
) -> None:
    """The upgrade of a store of 20,000 runs is killed at random times."""
    place = tmp_path / "store.sqlite3"
    before = earlier_store(place, version, runs=20_000)
    chance = random.Random(SEED)  # noqa: S311 - when to kill
    patience = 0.05
    kills = 0
    while True:
        child = migrating(place)
        time.sleep(chance.uniform(0, patience))
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:
            break
        kills += 1
        patience *= 1.3
        if version_of(place) == schema.HEAD:
            break
        assert held(place) == before
    store = Store(f"sqlite:///{place}")
    store.migrate()
    store.close()
    assert kills > 0
    measured(f"{kills} kills", seed=SEED)
    assert (version_of(place), held(place)) == (schema.HEAD, before)
    check_copy(place, version, before)
