"""The file of an SQLite store: its connections, its write-ahead log, its copies, and whether it is damaged.

Only one connection of all processes that share a file checkpoints its WAL: several checkpointers can corrupt
it in SQLite before 3.51.3. The WAL is moved into the file when it is long, and when nothing was written
lately, so that the file alone is seldom far behind.

Damage is noted at the first read or write that SQLite refuses because of it, and by `examine`. So is a file
that was deleted or replaced while it is open (`rm`, `mv`, rsync): what is written to it would be lost. Damage
is not forgotten while the process lives. Limit: a file that is written over in its place is not seen at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DatabaseError, DBAPIError

from chalicelib import logs
from chalicelib.errors import DamagedStoreError, StoreError

from . import copies
from .driver import command
from .permissions import PRIVATE_FILE, claim_folder, open_lock_file, refuse_another_kind
from .sqlite_readers import SqliteReaders
from .use_lock import UseLock
from .wal import use_wal
from .write_turns import SqliteWriter, WriteTurns

log = logs.get(__name__)

BUSY_SECONDS = 30.0
READER_KIB = 2000  # of pages in memory; what a reader has is of no use to it after the next write
WRITER_KIB = 8000
WAL_BYTES = 4 << 20  # a WAL longer than this is worth a checkpoint although it is written to
WAL_KEPT = 16  # times as long is what a WAL keeps of its size once all of it has been moved
OWN_FOLDER = ".sauron"  # where the store lies if no other place is set
EXAMINED_BYTES = 256 << 20  # a larger file is examined at start only if it was not closed properly


class SqliteFile:
    """One SQLite file. Safe to share between threads."""

    def __init__(
        self,
        path: Path,
        *,
        wal_bytes: int = WAL_BYTES,
        backups: Path | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Take the file at `path`; `backups` is the folder of its daily copies, by default one beside it.

        A writer waits for `busy_seconds` for its turn among threads, and as long for other processes.
        """
        self.path = path
        self.backups = backups or path.parent / "backups"
        self.writing = WriteTurns(busy_seconds)
        self._busy_seconds = busy_seconds
        self._use = UseLock(path)
        self._wal_bytes = wal_bytes
        self._checkpointer: int | None = None
        self._seen = self._folded = (0, 0)  # of the WAL: when it was last written, and its length
        self.is_store = False  # known to be one: until then it may be a file of another kind
        self._damage: DamagedStoreError | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the file that is in use
        self._has_wal = False
        self._wal_name = f"{path}-wal"
        self._noting = threading.Lock()

    @property
    def wal(self) -> Path:
        """The write-ahead log."""
        return Path(self._wal_name)

    def parts(self) -> list[Path]:
        """Return what belongs to the store: the file with what lies beside it, its copies, its own folder."""
        own = [self.path.parent] if self.path.parent.name == OWN_FOLDER else []
        return [*own, *self.path.parent.glob(f"{self.path.name}*"), self.backups, *copies.daily(self.backups)]

    @property
    def damage(self) -> DamagedStoreError | None:
        """What is known to be damaged, or None."""
        return self._damage

    def engine(self, url: URL) -> Engine:
        """Return the pool of connections to this file."""
        refuse_another_kind(self.path)
        claim_folder(self.path.parent)
        engine = create_engine(
            url,
            pool_size=16,
            max_overflow=-1,
            connect_args={"timeout": self._busy_seconds, "check_same_thread": False},
        )

        @event.listens_for(engine, "do_connect")
        def share(*_given: object) -> None:
            self._use.share()
            self._check_in_place()

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # transactions are begun by `begin` below, never by the driver
            with contextlib.suppress(OSError):  # a file that was just made; its -wal and -shm follow it
                if self.path.stat().st_size == 0:
                    self.path.chmod(PRIVATE_FILE)
            self._has_wal = use_wal(connection, BUSY_SECONDS)
            if self._opened is None:
                self._opened = _identity(self.path)
            for pragma in ("synchronous=FULL", "wal_autocheckpoint=0", f"cache_size=-{READER_KIB}"):
                connection.execute(f"PRAGMA {pragma}").close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            if not connection.get_execution_options().get("write"):  # `SqliteWriter` begins what writes
                self._check_in_place()
                command(connection, "BEGIN DEFERRED")

        @event.listens_for(engine, "handle_error")
        def note(context: ExceptionContext) -> None:
            self.note_refusal(context.original_exception)

        return engine

    def note_refusal(self, error: BaseException | None) -> None:
        """Note the damage if it is why SQLite refused something."""
        other_kind = "not a database" in str(error) and not self.is_store
        if other_kind and copies.newest_good(self.path, self.backups) is None:
            return
        if copies.is_damage(error):
            self.note_damage(str(error))

    def writer(self, engine: Engine, changed: Callable[[], None]) -> SqliteWriter:
        """Return what writes to this file; `changed` is called after each COMMIT that changed a row."""

        def check() -> None:
            self._check_in_place()
            if self._has_wal and not os.path.exists(self._wal_name):  # noqa: PTH110 - at every write
                raise self._lost("its -wal was deleted while Sauron had it open")

        def connect() -> Connection:
            connection = engine.connect().execution_options(write=True)
            command(connection, f"PRAGMA cache_size=-{WRITER_KIB}")
            command(connection, f"PRAGMA journal_size_limit={WAL_KEPT * self._wal_bytes}")
            return connection

        return SqliteWriter(connect, self.writing, check, changed)

    def readers(self, engine: Engine) -> SqliteReaders:
        """Return what reads from this file."""
        return SqliteReaders(engine.connect, self.note_refusal)

    def _check_in_place(self) -> None:
        """Raise DatabaseError if the name of the file leads to another file than the one in use, or none."""
        if self._opened is not None and _identity(self.path) != self._opened:
            raise self._lost("it was deleted or replaced while Sauron had it open")

    def _lost(self, what: str) -> DatabaseError:
        """Note this damage and return it as an error of SQLite, which whoever uses the store expects."""
        self.note_damage(what)
        return DatabaseError("BEGIN", None, sqlite3.DatabaseError(what))

    def note_damage(self, what: str) -> DamagedStoreError:
        """Remember that the file is damaged; the first finding counts, and is logged with the newest copy."""
        with self._noting:
            if self._damage is None:
                good = copies.newest_good(self.path, self.backups)
                self._damage = DamagedStoreError(self.path, what, good)
                log.error("store.damaged", path=str(self.path), reason=what, newest_copy=good and str(good))
            return self._damage

    def examine(self) -> None:
        """Check the structure of the whole file. Raises DamagedStoreError."""
        if not self.path.is_file():
            return
        self._use.share()
        try:
            # Read only: any other connection, when it closes, may fold in the log of another file.
            address = f"{self.path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
                fault = copies.first_fault(connection)
        except sqlite3.Error as error:
            if not copies.is_damage(error) or ("not a database" in str(error) and not self.is_store):
                return  # whoever uses the file says what is wrong with it
            fault = str(error)
        if fault:
            raise self.note_damage(fault)

    @property
    def was_left_open(self) -> bool:
        """Whether there is a write-ahead log: another process uses the file, or was killed while it did."""
        return copies.has_wal(self.path)

    @property
    def is_soon_examined(self) -> bool:
        """Whether the file is small enough to be examined at every start."""
        with contextlib.suppress(OSError):
            return self.path.stat().st_size <= EXAMINED_BYTES
        return False

    def checkpoint(self, engine: Engine, *, at_once: bool = False) -> None:
        """Move the WAL into the file if it is long, was not written to since the last call, or `at_once`.

        Does nothing in a process that is not the one to do so.
        """
        try:
            if not self._checkpoints():
                return
            status = self.wal.stat()
        except FileNotFoundError:
            return
        except StoreError as error:
            log.error("store.checkpoint_failed", reason=str(error))  # noqa: TRY400 - the reason is enough
            return
        now = (status.st_mtime_ns, status.st_size)
        idle, self._seen = now == self._seen, now
        if not now[1] or now == self._folded or not (at_once or idle or now[1] >= self._wal_bytes):
            return
        try:
            # beside writers it would never reach the end
            with self.writing, engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                busy, frames, moved = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except (sqlite3.Error, DBAPIError) as error:
            if copies.is_damage(getattr(error, "orig", error)):
                self.note_damage(str(error))
            log.error("store.checkpoint_failed", reason=str(error))  # noqa: TRY400 - the reason is enough
            return
        if not busy and frames == moved:
            self._folded = now

    def _checkpoints(self) -> bool:
        """Hold the lock file that makes this process the checkpointer; it is let go when the process ends."""
        if self._checkpointer is None:
            descriptor = open_lock_file(self.path, ".checkpoint")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                self._checkpointer = descriptor
        return self._checkpointer is not None

    def backup(self, engine: Engine, file: Path) -> None:
        """Write a consistent and checked copy of the store in use to a new file. Raises StoreError."""
        if file.exists():
            raise StoreError(f"{file} exists already. Name a new file, so that no earlier backup is lost.")
        self._copy(engine, file, copies.examine)

    def keep_before_upgrade(self, engine: Engine, version: str | None) -> Path:
        """Copy the store as it is beside itself, in place of an earlier copy of the same schema.

        Raises StoreError; then nothing is to be upgraded.
        """
        file = self.path.with_name(f"{self.path.name}{copies.BEFORE_UPGRADE}{version or 'earlier'}")
        self._copy(engine, file, copies.examine if version else copies.whole)
        log.info("store.copied_before_upgrade", file=str(file), schema=version)
        return file

    def _copy(self, engine: Engine, file: Path, check: copies.Check) -> None:
        def checked(partial: Path) -> None:
            try:
                check(partial)
            except StoreError as error:
                what = str(error).replace(str(partial), "its copy")
                raise self.note_damage(what.rstrip(".")) from error

        try:
            with engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                copies.write(raw, file, check=checked)
        except DBAPIError as error:
            raise (
                self.damage or StoreError(f"The store {self.path} cannot be read: {error.orig}.")
            ) from error

    def close(self) -> None:
        """Let go of the locks."""
        self._use.release()
        if self._checkpointer is not None:
            os.close(self._checkpointer)
            self._checkpointer = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file, None if there is none."""
    try:
        there = os.stat(path)  # noqa: PTH116 - at every transaction
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino
