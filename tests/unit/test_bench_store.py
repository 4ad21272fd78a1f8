"""The large store that SQL makes holds what the store itself would have recorded."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from chalicelib.store import Store, run_totals
from tests.bench.large_store import large_store, seed
from tests.conftest import START
from tests.many_jobs import fill

TABLES = {
    "job_queue": "id",
    "run_totals": "job_id, state",
    "run_days": "job_id, day, state",
    "sqlite_master": "name",
}


def contents(file: Path) -> dict[str, list[object]]:
    """Read the tables that a run leaves something in, and the schema."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        found = {
            table: db.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # noqa: S608 - our names
            for table, order in TABLES.items()
        }
    schema = [row[4] for row in found.pop("sqlite_master")]
    return {**found, "schema": schema}


def test_it_is_the_store_that_one_run_after_another_would_have_made(tmp_path: Path) -> None:
    one_by_one = Store(f"sqlite:///{tmp_path}/slow.sqlite3")
    one_by_one.migrate()
    fill(one_by_one, now=START, jobs_count=30, runs_count=30 * 100)
    with one_by_one.write() as tx:
        run_totals.fold(tx, most=10_000)
    one_by_one.close()
    seed(tmp_path / "quick.sqlite3", 30, 30 * 100)
    slow, quick = contents(tmp_path / "slow.sqlite3"), contents(tmp_path / "quick.sqlite3")
    assert len(slow["job_queue"]) == 3000
    for table, rows in slow.items():
        assert quick[table] == rows, table


def test_it_is_made_once_and_replaces_one_of_another_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = large_store(2, 20)
    made = first.stat().st_mtime_ns
    assert large_store(2, 20) == first
    assert first.stat().st_mtime_ns == made
    second = large_store(2, 40)
    assert list(second.parent.iterdir()) == [second]
