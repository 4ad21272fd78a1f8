"""Open the database, bring it to the newest schema, and hand out transactions.

`write()` is one short transaction that holds the write lock from its first statement (BEGIN IMMEDIATE on
SQLite: a deferred transaction that writes later is refused at once, whatever the busy timeout says). On
PostgreSQL writers go side by side and lock what they decide about (`postgres.locks`, `claims`).
`read()` sees one consistent state.

After a crash: SQLite runs in WAL with synchronous=FULL, so what was committed is there. Two processes that
open an empty or old file at once migrate it once: the migration is one write transaction, and an SQLite file
is copied beside itself before it.

Limit: an SQLite file must lie on a local disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    OperationalError,
    SQLAlchemyError,
)

from chalicelib.errors import DamagedStoreError, StoreError

from . import copies, refusals, schema
from .driver import CHANGED
from .migrations import takeover
from .permissions import real_path
from .postgres import engine as postgres
from .postgres import locks
from .sqlite_file import BUSY_SECONDS, WAL_BYTES, SqliteFile

VICTIM_TRIES = 3  # of a transaction that PostgreSQL ends because of a deadlock

Tx = Connection
T = TypeVar("T")


class Observer(Protocol):
    """Is told how writing goes."""

    def wrote(self) -> None:
        """Note that a transaction that changed something was committed."""

    def refused(self, error: SQLAlchemyError) -> None:
        """Note that the store refused a write."""


class Store:
    """The database behind one URL. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        *,
        wal_bytes: int = WAL_BYTES,
        backups: str | Path | None = None,
        ca: str | None = None,
        busy_seconds: float = BUSY_SECONDS,
        observer: Observer | None = None,
    ) -> None:
        """Open the database without touching it; `migrate` makes it usable.

        A write-ahead log of at least `wal_bytes` is moved into the file by `checkpoint`, a shorter one when
        nothing is written. `backups` is the folder of an SQLite store's daily copies. A PostgreSQL is
        verified with `ca`, which is SAURON_DB_CA as it was read. After `busy_seconds` a writer of an SQLite
        store that waits for others is refused.
        """
        self.url = make_url(url)
        self.ca = ca
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.pipelined = not self.sqlite and postgres.pipelined(self.url)
        self.path = real_path(self.url.database or "") if self.sqlite else None
        self.file = (
            SqliteFile(
                self.path,
                wal_bytes=wal_bytes,
                backups=None if backups is None else Path(backups),
                busy_seconds=busy_seconds,
            )
            if self.path
            else None
        )
        self.engine = self.file.engine(self.url) if self.file else postgres.engine(self.url, ca)
        self._writer = self.file.writer(self.engine, self._wrote) if self.file else None
        self._readers = self.file.readers(self.engine) if self.file else None
        if not self.file:
            event.listen(self.engine, "after_cursor_execute", _note_change)
        self.observer = observer

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction: committed at the end of the block, rolled back if it raises.

        A PostgreSQL that cannot be reached is tried for a while; what is in the block is never done twice:
        see `writing`.
        """
        if self._writer is not None:
            with self.observed(), self._writer.transaction() as tx:
                yield tx
            return
        with self.observed(), postgres.connect(self.engine.connect) as connection:
            connection = connection.execution_options(write=True)  # noqa: PLW2901 - the same connection, marked
            connection.info.pop(CHANGED, None)
            with connection.begin():
                yield connection
            changed = connection.info.pop(CHANGED, False)
        if changed:
            self._wrote()

    def _wrote(self) -> None:
        if self.observer is not None:
            self.observer.wrote()

    @contextlib.contextmanager
    def observed(self) -> Iterator[None]:
        """Tell the observer if the store refuses what is written in this block."""
        try:
            yield
        except SQLAlchemyError as error:
            if self.file is not None and isinstance(error, DBAPIError):
                self.file.note_refusal(error.orig)
            if self.observer is not None and refusals.is_one(error):
                self.observer.refused(error)
            raise

    def writing(self, act: Callable[[Tx], T]) -> T:
        """Do an act as one write transaction; one that PostgreSQL ends in favour of another is done again.

        On SQLite acts of several threads that wait are committed together; the act may then be done by
        another thread.
        """
        if self._writer is not None:
            with self.observed():
                return self._writer.together(act)

        def once() -> T:
            with self.write() as tx:
                return act(tx)

        return self.again(once)

    @staticmethod
    def again(transaction: Callable[[], T]) -> T:
        """Return the transaction's result; a deadlock victim is begun again, VICTIM_TRIES times in all."""
        for _ in range(VICTIM_TRIES - 1):
            try:
                return transaction()
            except DBAPIError as error:
                if not postgres.victim(error):
                    raise
        return transaction()

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """One read transaction: a consistent state, whatever is written meanwhile."""
        if self._readers is not None:
            with self._readers.transaction() as tx:
                yield tx
            return
        snapshot: Any = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect() as connection, connection.execution_options(**snapshot).begin():
            yield connection

    def migrate(self, *, keep_copy: bool = True) -> bool:
        """Bring the schema to HEAD; rename tables of an earlier system in the way, and copy its runs.

        An SQLite store that holds anything is first copied beside itself, unless `keep_copy` is False. Return
        whether the store is new.

        Raises StoreError when the file is not a database, is damaged, cannot be written, or was made by a
        newer Sauron.
        """
        try:
            with self.read() as tx:
                if self._version(tx) == schema.HEAD:
                    self._refuse_missing_tables(tx)
                    return self._usable(new=False)
            with self.write() as tx:
                if not self.sqlite:
                    for limit in ("statement_timeout", "lock_timeout"):  # an earlier queue may be long
                        tx.execute(text("SELECT set_config(:name, '0', true)"), {"name": limit})
                    locks.hold(tx, locks.MIGRATION)
                version = self._version(tx)
                if version == schema.HEAD:
                    return self._usable(new=False)
                new = version is None and not inspect(tx).get_table_names()
                if self.file is not None and keep_copy and not new:
                    self.file.keep_before_upgrade(self.engine, version)
                aside = takeover.set_aside(tx) if version is None else {}
                self._upgrade(tx)
                if queue := aside.get(schema.job_queue.name):
                    takeover.copy(tx, queue, now=datetime.now(UTC))
            self.checkpoint(at_once=True)
        except (OperationalError, DatabaseError) as error:
            raise (self.damage or StoreError(self.explain(error))) from error
        return self._usable(new=new)

    def _usable(self, *, new: bool) -> bool:
        if self.file is not None:
            self.file.is_store = True
        return new

    def _version(self, tx: Tx) -> str | None:
        if not inspect(tx).has_table("alembic_version"):
            return None
        version: str | None = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version is not None and version > schema.HEAD:
            copy = self.path and self.path.with_name(f"{self.path.name}{copies.BEFORE_UPGRADE}{schema.HEAD}")
            earlier = f"sauron restore {copy if copy and copy.is_file() else 'FILE'}"
            raise StoreError(
                f"The store was made by a newer Sauron (schema {version}, this one knows {schema.HEAD}). "
                "Run the newer version, or restore a backup from before the upgrade"
                + (f": {earlier}" if self.path else ".")
            )
        return version

    @staticmethod
    def _upgrade(tx: Tx, to: str = "head") -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = tx
        command.upgrade(config, to)

    def explain(self, error: DBAPIError) -> str:
        """Return why the store cannot be used, and what to do about it."""
        return refusals.explained(error, self.url, self.path)

    def _refuse_missing_tables(self, tx: Tx) -> None:
        """Raise StoreError if a store that says that it has the newest schema lacks a part of it."""
        if self.file is not None:
            raw: Any = tx.connection.dbapi_connection
            if missing := copies.lacking(raw):
                raise self.file.note_damage(f"it lacks {', '.join(missing)}")
        elif missing := postgres.lacking(tx, sorted(schema.metadata.tables)):
            url = self.url.render_as_string(hide_password=True)
            raise StoreError(
                f"The database {url} lacks {', '.join(missing)}, although it says that it has schema "
                f"{schema.HEAD}. Restore it from a dump of pg_dump, or name another in JOB_QUEUE_DB_URL."
            )

    @property
    def damage(self) -> DamagedStoreError | None:
        """What is known to be damaged in the file of an SQLite store, or None."""
        return self.file.damage if self.file else None

    def examine(self) -> None:
        """Check the whole file of an SQLite store. Raises DamagedStoreError."""
        if self.file is not None:
            self.file.examine()

    def checkpoint(self, *, at_once: bool = False) -> None:
        """Move the WAL of an SQLite store into its file: see `SqliteFile.checkpoint`."""
        if self.file is not None:
            self.file.checkpoint(self.engine, at_once=at_once)

    def backup(self, file: Path) -> None:
        """Write a consistent copy of an SQLite store in use to `file`, and check it.

        Raises StoreError on PostgreSQL, DamagedStoreError if the copy is not whole; it is not kept then.
        """
        if self.file is None:
            raise StoreError("A PostgreSQL store is backed up by pg_dump, not by Sauron.")
        self.file.backup(self.engine, file)

    def close(self) -> None:
        """Close every connection and let go of the checkpointer's lock."""
        if self._writer is not None and self._readers is not None:
            self._writer.close()
            self._readers.close()
        self.engine.dispose()
        if self.file is not None:
            self.file.close()


def _note_change(connection: Tx, cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
    """Note that a statement changed rows: a claim that finds nothing proves no write on a full disk."""
    if (context.isinsert or context.isupdate or context.isdelete) and cursor.rowcount > 0:
        connection.info[CHANGED] = True
