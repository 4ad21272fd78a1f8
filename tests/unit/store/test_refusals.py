"""A store that refuses a statement is told in words, without its statements."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from chalicelib.store import Store, refusals

FILL = "CREATE TABLE filler AS SELECT randomblob(900000)"


def pages(file: Path) -> int:
    with closing(sqlite3.connect(file)) as asked:
        return int(asked.execute("PRAGMA page_count").fetchone()[0])


def test_a_store_that_refuses_a_write_is_said_to_be_locked_closed_or_full(
    empty_store: Path, tmp_path: Path
) -> None:
    file = tmp_path / "store.sqlite3"
    shutil.copy(empty_store, file)
    store = Store(f"sqlite:///{file}", busy_seconds=0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as refused, store.write():
            pass
    assert "locked: another process holds it" in refusals.in_use(refused.value)
    for setting, statement, said in (
        ("PRAGMA query_only=1", "DELETE FROM jobs", "may not write to the store"),
        (f"PRAGMA max_page_count={pages(file)}", FILL, "disk of the store is full"),
    ):
        with store.engine.connect() as tx:
            tx.exec_driver_sql(setting)
            with pytest.raises(OperationalError) as refused:
                tx.exec_driver_sql(statement)
        assert said in refusals.in_use(refused.value)
        store.engine.dispose()
    with pytest.raises(OperationalError) as refused, store.read() as tx:
        tx.exec_driver_sql("SELECT * FROM nothing")
    assert refusals.in_use(refused.value) == refusals.UNUSABLE
    store.close()
