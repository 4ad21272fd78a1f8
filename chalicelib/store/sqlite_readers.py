"""The connections through which a process reads an SQLite file: kept open, each for one block at a time.

SQLAlchemy takes a connection from its pool and describes it anew for each transaction, which costs more than
what most blocks read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

KEPT = 16  # connections that wait for the next block


class SqliteReaders:
    """Read transactions on one SQLite file. Safe to share between threads."""

    def __init__(
        self, connect: Callable[[], Connection], refused: Callable[[BaseException | None], None]
    ) -> None:
        """Read through connections that `connect` makes; `refused` is told the driver's errors."""
        self._connect = connect
        self._refused = refused
        self._idle: deque[Connection] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, which sees one state. The connection of a block that raises is not used again."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        kept = False
        try:
            with connection.begin():
                yield connection
            kept = len(self._idle) < KEPT
        except DBAPIError as error:
            self._refused(error.orig)
            raise
        finally:
            self._idle.append(connection) if kept else connection.close()

    def close(self) -> None:
        """Give the connections back."""
        while self._idle:
            self._idle.pop().close()
