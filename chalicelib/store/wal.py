"""Switching an SQLite file to write-ahead logging."""

from __future__ import annotations

import sqlite3
import time


def use_wal(connection: sqlite3.Connection, seconds: float) -> bool:
    """Switch the file to WAL, and say whether it has one: not every file system allows it.

    It is tried again for `seconds` when another process does so too: SQLite does not wait for that.
    """
    give_up = time.monotonic() + seconds
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return str(mode) == "wal"
