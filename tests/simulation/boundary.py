"""The boundary of transactions: where a process dies, an answer is lost and a store refuses.

`Link` is the driver's connection. A commit that changes something may die before or after it is made, or be
made without an answer. A store that refuses does so when a transaction that would write begins.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from chalicelib.store import Store
from tests.simulation.coroutine import Crash


@dataclass(slots=True)
class Fault:
    """What happens at the `nth` commit from now that changes something: before, after, lost or refused."""

    how: str
    nth: int


class Boundary:
    """All connections of one story."""

    def __init__(self, committed: Callable[[], None]) -> None:
        """Call `committed` after each commit that changed something."""
        self.fault: Fault | None = None
        self.refusing = False
        self.dead: Callable[[], bool] = lambda: False  # of the process that acts now
        self._committed = committed
        self.commits = 0
        home = self

        class Link(sqlite3.Connection):
            changes = 0

            def commit(self) -> None:
                home.commit(self, super().commit)

        self._link = Link

    def open(self, url: str) -> Store:
        """Open a store of which every connection is watched."""
        store = Store(url)

        @event.listens_for(store.engine, "do_connect")
        def watched(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
            parameters["factory"] = self._link

        @event.listens_for(store.engine, "begin", insert=True)
        def begin(connection: Connection) -> None:
            if self.dead():
                raise Crash
            if self.refusing and connection.get_execution_options().get("write"):
                raise OperationalError("BEGIN", None, sqlite3.OperationalError("database or disk is full"))

        return store

    def commit(self, link: Any, make: Callable[[], None]) -> None:
        """Make a commit, unless something happens at it."""
        if link.total_changes == link.changes:
            make()
            return
        if self.dead():
            raise Crash
        how, self.commits = None, self.commits + 1
        if self.fault is not None:
            self.fault.nth -= 1
            if self.fault.nth <= 0:
                how, self.fault = self.fault.how, None
        if how == "before":
            raise Crash
        if how == "refused":
            raise sqlite3.OperationalError("database or disk is full")
        make()
        link.changes = link.total_changes
        self._committed()
        if how == "after":
            raise Crash
        if how == "lost":
            raise sqlite3.OperationalError("the answer was lost")
