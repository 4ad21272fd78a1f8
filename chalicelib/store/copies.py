"""Copies of an SQLite store: written whole or not at all, and checked before anyone relies on them.

A copy is one file, open to its owner alone. It is written beside its place, checked, made durable and
renamed: after a crash there is a whole copy or none. A copy that is not a whole Sauron store is never kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from chalicelib.errors import StoreError

from . import schema
from .permissions import PRIVATE_FILE, unwritable

DAILY = re.compile(r"sauron-\d{8}-\d{6}\.sqlite3")
BEFORE_UPGRADE = ".schema-"  # beside the store, and then the number of the schema

Check = Callable[[Path], object]


def examine(file: Path) -> str:
    """Return the schema of a file that is a whole Sauron store. The file is read and not changed.

    Raises StoreError: it is not there, is damaged, is another kind of file, or comes from a newer Sauron.
    """
    with opened(file) as connection:
        if fault := first_fault(connection):
            raise StoreError(f"{file} is damaged: {fault}.")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"alembic_version", "job_queue"} <= tables:
            raise StoreError(
                f"{file} is an SQLite database, but not a Sauron store. "
                "Name a file that `sauron backup` wrote."
            )
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        if version > schema.HEAD:
            raise StoreError(
                f"{file} was made by a newer Sauron (schema {version}, this one knows {schema.HEAD}). "
                "Use that version or a newer one."
            )
        if version == schema.HEAD and (missing := lacking(connection)):
            raise StoreError(f"{file} is damaged: it lacks {', '.join(missing)}.")
        return str(version)


def whole(file: Path) -> None:
    """Raise StoreError if a file is not a whole SQLite database, of whatever it holds."""
    with opened(file) as connection:
        if fault := first_fault(connection):
            raise StoreError(f"{file} is damaged: {fault}.")


@contextlib.contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for reading only; what was not moved into it yet from its -wal is seen, too."""
    if not file.is_file():
        raise StoreError(f"There is no file {file}.")
    # Without a log to read, nothing is written beside the file: it may lie on a read-only disk.
    how = "mode=ro" if has_wal(file) else "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        if "not a database" in str(error):
            raise StoreError(f"{file} is not an SQLite database.") from error
        if is_damage(error):
            raise StoreError(f"{file} is damaged: {error}.") from error
        raise StoreError(f"{file} cannot be read: {error}.") from error


def has_wal(file: Path) -> bool:
    """Say whether a write-ahead log that is not empty lies beside the file."""
    with contextlib.suppress(OSError):
        return (
            Path(f"{file.resolve()}-wal").stat().st_size > 0
        )  # where SQLite writes it, whatever link leads there
    return False


def first_fault(connection: sqlite3.Connection) -> str | None:
    """Return the first fault in the structure of a database (`PRAGMA quick_check`), or None."""
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if said == "ok" else " ".join(str(said).split())


def is_damage(error: object) -> bool:
    """Say whether an error of SQLite means that the file is damaged, and not that it is busy or full."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or code == _CORRUPT_FILE_SYSTEM


_CORRUPT_FILE_SYSTEM = 10 | 33 << 8  # SQLITE_IOERR_CORRUPTFS, which the module does not name


def lacking(connection: sqlite3.Connection) -> list[str]:
    """Return the tables, columns and indexes of the newest schema that a database does not have."""
    there: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    ):
        there.setdefault(table, set()).add(column)
    indexes = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    missing = []
    for table in schema.metadata.sorted_tables:
        if table.name not in there:
            missing.append(f"the table {table.name}")
            continue
        missing += [
            f"the column {table.name}.{column.name}"
            for column in table.columns
            if column.name not in there[table.name]
        ]
        missing += [f"the index {index.name}" for index in table.indexes if str(index.name) not in indexes]
    return missing


def write(source: sqlite3.Connection, file: Path, *, check: Check = examine) -> None:
    """Copy the database of a connection to `file`, in place of an earlier one, once the copy is checked.

    Raises StoreError: it cannot be written, or what was copied is not whole; then `file` is as before.
    """
    partial = file.with_name(file.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
        with contextlib.closing(sqlite3.connect(partial)) as target:
            target.execute("PRAGMA journal_mode=OFF").close()  # a copy that is cut off is thrown away
            source.backup(target, pages=-1)  # in one read: in steps every write would start it over
        check(partial)
        settle(partial, file)
    except PermissionError as error:
        raise StoreError(unwritable(file, error)) from error
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The copy {file} cannot be written: {error}. Check that its folder exists and has room."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def settle(partial: Path, final: Path) -> None:
    """Make a file durable and give it its final name."""
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.rename(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def newest_good(store: Path, folder: Path) -> Path | None:
    """Return the newest copy of a store that is whole: a daily one, or one from before an upgrade."""
    found = [*_daily(folder), *store.parent.glob(f"{store.name}{BEFORE_UPGRADE}[0-9]*")]
    for file in sorted(found, key=_written_at, reverse=True):
        if file.suffix == ".partial":
            continue
        with contextlib.suppress(StoreError):
            examine(file)
            return file
    return None


def _written_at(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _daily(folder: Path) -> list[Path]:
    """Return the daily copies in a folder."""
    with contextlib.suppress(OSError):
        return [file for file in folder.iterdir() if DAILY.fullmatch(file.name)]
    return []


def daily(folder: Path) -> list[Path]:
    """Return the daily copies in a folder, the oldest first by the time in their names."""
    return sorted(_daily(folder))
