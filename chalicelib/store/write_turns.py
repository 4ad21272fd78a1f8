"""The writers of one SQLite file: one thread at a time, each waiting so long and no longer.

SQLite lets processes wait for each other, but not fairly, and many waiting threads would add up their waits.
While the store refuses writes (no room, a broken disk, another process that holds it), `refusal` says why.
"""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

LOCKED = "database is locked"
_REFUSALS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
    }
)


class WriteTurns:
    """The turn to write, as a context manager. Raises OperationalError after waiting for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()
        self.refusal: str | None = None

    def __enter__(self) -> None:
        if not self._turn.acquire(timeout=self._seconds):
            self.refusal = LOCKED
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError(LOCKED))

    def __exit__(self, *_error: object) -> None:
        self._turn.release()

    def failed(self, error: object) -> None:
        """Take note of an error of a writer."""
        if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _REFUSALS:
            self.refusal = str(error)

    def succeeded(self, connection: Connection, changes_before: int) -> None:
        """Take note of a commit. One that changed nothing proves nothing."""
        if self.refusal is not None and changes(connection) > changes_before:
            self.refusal = None


def changes(connection: Connection) -> int:
    """Return how many rows a connection has changed since it was opened."""
    raw = connection.connection.dbapi_connection
    return raw.total_changes if isinstance(raw, sqlite3.Connection) else 0
