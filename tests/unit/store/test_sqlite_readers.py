"""The connections that read an SQLite file are kept, and each block sees one state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.store.sqlite_readers import KEPT, SqliteReaders


class Reading:
    """Readers of a file, with what they did."""

    def __init__(self, file: Path) -> None:
        self.engine = create_engine(f"sqlite:///{file}", max_overflow=-1)
        self.made = 0
        self.refusals: list[BaseException | None] = []
        self.readers = SqliteReaders(self._connect, self.refusals.append)

    def _connect(self) -> Connection:
        self.made += 1
        return self.engine.connect()


@pytest.fixture
def reading(tmp_path: Path) -> Any:
    made = Reading(tmp_path / "file.sqlite3")
    yield made
    made.readers.close()
    assert made.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    made.engine.dispose()


def test_blocks_that_follow_each_other_share_a_connection_and_blocks_at_once_do_not(reading: Reading) -> None:
    for _ in range(3):
        with reading.readers.transaction() as tx:
            assert tx.execute(text("SELECT 1")).scalar() == 1
    assert reading.made == 1
    with reading.readers.transaction() as one, reading.readers.transaction() as other:
        assert one is not other
        assert one.in_transaction()
        assert other.in_transaction()
    assert reading.made == 2


def test_the_connection_of_a_block_that_raises_is_not_used_again(reading: Reading) -> None:
    with pytest.raises(DBAPIError), reading.readers.transaction() as tx:
        tx.execute(text("SELECT * FROM nowhere"))
    assert "nowhere" in str(reading.refusals)
    with pytest.raises(KeyError), reading.readers.transaction() as tx:
        raise KeyError
    with reading.readers.transaction():
        pass
    assert (reading.made, len(reading.refusals)) == (3, 1)


def test_no_more_connections_are_kept_than_are_of_use(reading: Reading) -> None:
    several = [reading.readers.transaction() for _ in range(KEPT + 2)]
    for one in several:
        one.__enter__()
    for one in several:
        one.__exit__(None, None, None)
    assert reading.engine.pool.checkedout() == KEPT  # type: ignore[attr-defined]
