"""The writers of one SQLite file: one thread at a time, each waiting so long and no longer.

SQLite lets processes wait for each other, but not fairly, and many waiting threads would add up their waits.
"""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy.exc import OperationalError


class WriteTurns:
    """The turn to write, as a context manager. Raises OperationalError after waiting for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()

    def __enter__(self) -> None:
        if not self._turn.acquire(timeout=self._seconds):
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))

    def __exit__(self, *_error: object) -> None:
        self._turn.release()
