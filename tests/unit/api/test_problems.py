"""A store that refuses a statement is told in words, without its statements."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from chalicelib.api import problems
from chalicelib.store import Store


def test_a_store_that_another_process_holds_is_said_to_be_locked(empty_store: Path, tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    shutil.copy(empty_store, file)
    store = Store(f"sqlite:///{file}", busy_seconds=0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as refused, store.write():
            pass
    assert problems.unusable(refused.value) == problems.LOCKED
    with pytest.raises(OperationalError) as refused, store.read() as tx:
        tx.exec_driver_sql("SELECT * FROM nothing")
    assert problems.unusable(refused.value) == problems.UNUSABLE
    store.close()
