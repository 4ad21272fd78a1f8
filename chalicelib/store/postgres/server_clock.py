"""The time of the database server, which runners on several machines agree on whatever their own clocks say.

A reading is the server's clock at one moment, carried on by this process's monotonic clock; it is taken again
now and then, and when the machine was asleep (Lambda freezes a process between invocations): then its own two
clocks have parted. While the server does not answer, time goes on from the last reading.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chalicelib.store.database import Store

ASLEEP_SECONDS = 2.0


class ServerClock:
    """A clock that shows the server's time. Safe to share between threads."""

    def __init__(self, store: Store, *, wall: Callable[[], float] = time.time) -> None:
        """Take the first reading. Raises SQLAlchemyError when the server does not answer.

        `wall` is this machine's wall clock, in seconds: it only shows when the process was frozen.
        """
        self._store = store
        self._wall = wall
        self._lock = threading.Lock()
        self._read_at, self._moved_at = datetime.fromtimestamp(wall(), UTC), time.monotonic()
        self._wall_at = wall()
        self.measure()

    def measure(self) -> None:
        """Take a reading: the server's time, half way between question and answer. Raises SQLAlchemyError."""
        with self._store.engine.connect() as connection:
            connection.execute(text("SELECT 1"))  # what follows is not to count the connecting
            asked = time.monotonic()
            said = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            answered = time.monotonic()
        with self._lock:
            self._read_at, self._moved_at = said.astimezone(UTC), (asked + answered) / 2
            self._wall_at = self._wall() - (time.monotonic() - self._moved_at)

    def now(self) -> datetime:
        """Return the server's time as an aware UTC instant."""
        if abs((self._wall() - self._wall_at) - (time.monotonic() - self._moved_at)) > ASLEEP_SECONDS:
            with contextlib.suppress(SQLAlchemyError):
                self.measure()
        with self._lock:
            return self._read_at + timedelta(seconds=time.monotonic() - self._moved_at)

    def monotonic(self) -> float:
        """Return seconds on this process's clock that no adjustment moves."""
        return time.monotonic()
