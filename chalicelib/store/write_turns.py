"""The writers of one SQLite file: the threads of this process take turns, and acts that wait go together.

SQLite lets processes wait for each other, but not fairly, and many waiting threads would add up their waits.
A COMMIT waits for the disk. So whoever has the turn does every act that waits by then in one transaction,
each in a savepoint of its own: nobody waits for company, and no act is acknowledged before its commit.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from .driver import command, explained

T = TypeVar("T")
Act = Callable[[Connection], Any]


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

    def wait(self) -> None:
        """Wait until whoever has the turn has ended it."""
        with self._turn:
            pass


class _TakenBackError(Exception):
    """A block rolled its transaction back by itself."""


class _Waiting:
    """An act that waits to be done, and what came of it."""

    __slots__ = ("act", "error", "over", "result")

    def __init__(self, act: Act) -> None:
        self.act = act
        self.over = False
        self.result: Any = None
        self.error: BaseException | None = None


class SqliteWriter:
    """The connection through which a process writes to an SQLite file. Safe to share between threads."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        turns: WriteTurns,
        check: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        """Write in `turns`, through one connection that `connect` makes when it is needed first.

        `check` is called in each transaction before anything is written; it raises SQLAlchemyError if the
        file is not what it was. `changed` is called after each COMMIT of a transaction that changed a row.
        """
        self._connect = connect
        self._turns = turns
        self._check = check
        self._changed = changed
        self._connection: Connection | None = None
        self._waiting: deque[_Waiting] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction of this thread alone: committed at the end of the block, else rolled back.

        A block may roll it back itself; then there is nothing to commit.
        """
        with suppress(_TakenBackError), self._turns, self._begun() as tx:
            whole = tx.begin()  # so that nothing in the block begins, and ends, a transaction of its own
            yield tx
            if not whole.is_active:
                raise _TakenBackError

    def together(self, act: Callable[[Connection], T]) -> T:
        """Do an act in a transaction that it may share with the acts of other threads; return its result.

        An act that raises is undone alone. If the transaction cannot be committed, every act raises.
        """
        mine = _Waiting(act)
        self._waiting.append(mine)
        try:
            with self._turns:
                if not mine.over:
                    self._do_what_waits()
        except OperationalError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                raise
            self._turns.wait()  # somebody is doing it
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def _do_what_waits(self) -> None:
        acts = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            with self._begun() as tx:
                if len(acts) == 1:
                    acts[0].result = acts[0].act(tx)
                else:
                    for one in acts:
                        _do_in_savepoint(tx, one)
        except BaseException as error:  # noqa: BLE001 - each thread raises it for its own act
            for one in acts:
                one.error = one.error or error
        for one in acts:
            one.over = True

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        tx = self._connection
        if tx is None:
            tx = self._connection = self._connect()
        raw: Any = tx.connection.dbapi_connection
        before = raw.total_changes
        try:
            command(tx, "BEGIN IMMEDIATE")
            self._check()
            yield tx
            _commit(tx)
        finally:
            if raw.in_transaction:
                raw.rollback()
            if tx.in_transaction():  # SQLAlchemy's own part, which begins with its first statement
                tx.rollback()
        if raw.total_changes != before:
            self._changed()

    def close(self) -> None:
        """Give the connection back."""
        with self._turns:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _do_in_savepoint(tx: Connection, one: _Waiting) -> None:
    """Do one act of several; one that raises is undone. Raises if the whole transaction is lost."""
    command(tx, "SAVEPOINT act")
    try:
        one.result = one.act(tx)
    except Exception as error:  # noqa: BLE001 - its own thread raises it
        one.error = error
        command(tx, "ROLLBACK TO act")
    command(tx, "RELEASE act")


def _commit(tx: Connection) -> None:
    """Commit. Raises OperationalError also if SQLite has given the transaction up by itself."""
    raw: Any = tx.connection.dbapi_connection
    try:
        if not raw.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back")
        raw.commit()
    except sqlite3.Error as error:
        raise explained(error, tx.dialect, "COMMIT") from error
