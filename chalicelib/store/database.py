"""Open the database, bring it to the newest schema, and hand out transactions.

`write()` is one short transaction that holds the write lock from its first statement (BEGIN IMMEDIATE on
SQLite: a deferred transaction that writes later is refused at once, whatever the busy timeout says). On
PostgreSQL writers go side by side and lock what they decide about (`postgres.locks`, `claims`).
`read()` sees one consistent state.

After a crash: SQLite runs in WAL with synchronous=FULL, so what was committed is there. Two processes that
open an empty or old file at once migrate it once: the migration is one write transaction. Only one connection
of all processes that share a file checkpoints its WAL (`checkpoint`): several checkpointers can corrupt it in
SQLite before 3.51.3.

Limit: an SQLite file must lie on a local disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from chalicelib.errors import StoreError

from . import schema
from .migrations import takeover
from .postgres import engine as postgres
from .postgres import locks

BUSY_SECONDS = 30.0
WAL_BYTES = 4 << 20  # a WAL longer than this is worth a checkpoint

VICTIM_TRIES = 3  # of a transaction that PostgreSQL ends because of a deadlock

Tx = Connection
T = TypeVar("T")


class Store:
    """The database behind one URL. Safe to share between threads."""

    def __init__(self, url: str, *, wal_bytes: int = WAL_BYTES) -> None:
        """Open the database without touching it; `migrate` makes it usable.

        A write-ahead log of at least `wal_bytes` is moved into the file by `checkpoint`.
        """
        self._wal_bytes = wal_bytes
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.pipelined = not self.sqlite and postgres.pipelined(self.url)
        self.path = Path(self.url.database or "") if self.sqlite else None
        self._writing: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.sqlite else contextlib.nullcontext()
        )
        self._checkpointer: int | None = None
        self.engine = self._engine()

    def _engine(self) -> Engine:
        if not self.sqlite:
            return postgres.engine(self.url)
        assert self.path is not None  # noqa: S101 - narrows the type
        claim_folder(self.path.parent)
        engine = create_engine(
            self.url,
            pool_size=16,
            max_overflow=-1,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # transactions are begun by `begin` below, never by the driver
            _use_wal(connection)
            for pragma in ("synchronous=FULL", "wal_autocheckpoint=0", "cache_size=-8000"):
                connection.execute(f"PRAGMA {pragma}").close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            mode = "IMMEDIATE" if connection.get_execution_options().get("write") else "DEFERRED"
            connection.exec_driver_sql(f"BEGIN {mode}")

        return engine

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction: committed at the end of the block, rolled back if it raises.

        A PostgreSQL that cannot be reached is tried for a while; what is in the block is never done twice:
        see `writing`.
        """
        with (
            self._writing,
            self.engine.connect() if self.sqlite else postgres.connect(self.engine.connect) as connection,
        ):
            connection = connection.execution_options(write=True)  # noqa: PLW2901 - the same connection, marked
            with connection.begin():
                yield connection

    def writing(self, act: Callable[[Tx], T]) -> T:
        """Do an act as one write transaction; one that PostgreSQL ends in favour of another is done again."""

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
        with self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(  # noqa: PLW2901 - the same connection, told how to begin
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema to HEAD; rename tables of an earlier system in the way, and copy its runs.

        Raises StoreError when the file is no database, cannot be written, or was made by a newer Sauron.
        """
        try:
            with self.read() as tx:
                if self._version(tx) == schema.HEAD:
                    return
            with self.write() as tx:
                if not self.sqlite:
                    for limit in ("statement_timeout", "lock_timeout"):  # an earlier queue may be long
                        tx.execute(text("SELECT set_config(:name, '0', true)"), {"name": limit})
                    locks.hold(tx, locks.MIGRATION)
                version = self._version(tx)
                if version == schema.HEAD:
                    return
                aside = takeover.set_aside(tx) if version is None else {}
                self._upgrade(tx)
                if queue := aside.get(schema.job_queue.name):
                    takeover.copy(tx, queue, now=datetime.now(UTC))
        except (OperationalError, DatabaseError) as error:
            raise StoreError(self._explain(error)) from error

    @staticmethod
    def _version(tx: Tx) -> str | None:
        if not inspect(tx).has_table("alembic_version"):
            return None
        version: str | None = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version is not None and version > schema.HEAD:
            raise StoreError(
                f"The store was made by a newer Sauron (schema {version}, this one knows {schema.HEAD}). "
                "Run the newer version, or restore a backup from before the upgrade."
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

    def _explain(self, error: DBAPIError) -> str:
        reason = str(error.orig)
        if self.path is None:
            url = self.url.render_as_string(hide_password=True)
            return f"The database {url} cannot be used: {reason.strip()}"
        if "not a database" in reason:
            todo = "Move the file away, or name another in JOB_QUEUE_DB_URL."
            return f"{self.path} is not an SQLite database. {todo}"
        if "unable to open" in reason or "readonly" in reason:
            return _unwritable(self.path, error)
        return f"The store {self.path} cannot be used: {reason}."

    def checkpoint(self) -> None:
        """Move the WAL into the database file when it is long, if this process is the one that does so."""
        if self.path is None or not self._checkpoints():
            return
        with contextlib.suppress(FileNotFoundError):
            if self.path.with_name(self.path.name + "-wal").stat().st_size < self._wal_bytes:
                return
        # beside writers it would never reach the end
        with self._writing, self.engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def _checkpoints(self) -> bool:
        """Hold the lock file that makes this process the checkpointer; it is let go when the process ends."""
        if self._checkpointer is None and self.path is not None:
            descriptor = os.open(
                self.path.with_name(self.path.name + ".checkpoint"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o600,
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                self._checkpointer = descriptor
        return self._checkpointer is not None

    def backup(self, file: Path) -> None:
        """Write a consistent copy of an SQLite store in use to `file`. Raises StoreError on PostgreSQL."""
        if not self.sqlite:
            raise StoreError("A PostgreSQL store is backed up by pg_dump, not by Sauron.")
        if file.exists():
            raise StoreError(f"{file} exists already. Name a new file, so that no earlier backup is lost.")
        partial = file.with_name(file.name + ".partial")
        try:
            with self.engine.connect() as connection, contextlib.closing(sqlite3.connect(partial)) as target:
                source: Any = connection.connection.dbapi_connection
                source.backup(target, pages=-1)  # in one read: in steps every write would start it over
            partial.rename(file)
        except (OSError, sqlite3.Error) as error:
            partial.unlink(missing_ok=True)
            raise StoreError(
                f"The backup {file} cannot be written: {error}. Check that its folder exists and has room."
            ) from error

    def close(self) -> None:
        """Close every connection and let go of the checkpointer's lock."""
        self.engine.dispose()
        if self._checkpointer is not None:
            os.close(self._checkpointer)
            self._checkpointer = None


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; try again when another process does so too: SQLite does not wait for that."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def claim_folder(folder: Path) -> None:
    """Make a folder if it is not there. Raises StoreError with the chown line when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StoreError(_unwritable(folder, error)) from error


def _unwritable(path: Path, error: Exception) -> str:
    user = f"{os.getuid()}:{os.getgid()}"
    there = path if path.is_dir() else path.parent
    reason = getattr(error, "strerror", None) or "permission denied"
    return f"{path} cannot be written by user {user} ({reason}). Run on the host: chown -R {user} {there}"
