"""Daily copies of an SQLite store, the oldest deleted beyond their number.

A copy is checked before it is kept, and only then are older ones deleted, so that the last good copy is never
among them: not while the store is damaged, not after the clock was set back, not behind copies of before that
turn out damaged. A kill leaves no half copy behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.errors import StoreError
from chalicelib.model.jobs import BACKUP_JOB
from chalicelib.settings import Settings
from chalicelib.store import Store, copies
from chalicelib.store.permissions import claim_folder

log = logs.get(__name__)

BACKUP_NAME = "sauron-{:%Y%m%d-%H%M%S}.sqlite3"


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the store that was made, and how many there are now."""

    file: Path
    size: int
    kept: int


def backup(
    store: Store, clock: Clock, settings: Settings, *, free_bytes: Callable[[Path], int] = _free
) -> Backup:
    """Copy an SQLite store beside the earlier copies and delete the oldest beyond their number.

    Raises StoreError when the store is not a file, the folder cannot be written, or the disk has no room for
    the copy: a copy that fills the disk would stop what it is to protect. Raises DamagedStoreError when the
    copy is not whole.
    """
    if store.path is None:
        raise StoreError(f"A PostgreSQL store is backed up by pg_dump, not by Sauron. Disable {BACKUP_JOB}.")
    folder = backup_folder(store, settings)
    try:
        claim_folder(folder)
    except StoreError as error:
        raise StoreError(f"SAURON_BACKUP_DIR {folder} cannot be used: {error}") from error
    free = free_bytes(folder)
    needed = sum(part.stat().st_size for part in (store.path, Path(f"{store.path}-wal")) if part.exists())
    if free < 2 * needed:
        raise StoreError(
            f"{folder} has {free >> 20} MB free and a copy takes {needed >> 20} MB. Free some space, "
            "or name a folder on another disk in SAURON_BACKUP_DIR."
        )
    for cut_off in folder.glob("sauron-*.sqlite3.partial*"):  # by a kill
        cut_off.unlink(missing_ok=True)
    file = folder / BACKUP_NAME.format(clock.now())
    store.backup(file)
    return Backup(file, file.stat().st_size, _rotate(folder, file, keep=settings.keep_backups))


def _rotate(folder: Path, made: Path, *, keep: int) -> int:
    """Delete what is older than the newest `keep` good copies; return how many files are left."""
    there = [file for file in reversed(copies.daily(folder)) if file != made]
    good = left = 1
    for file in there:
        if good >= keep:
            file.unlink(missing_ok=True)
            continue
        left += 1
        try:
            copies.examine(file)
            good += 1
        except StoreError as error:
            log.warning("backup.found_damaged", file=str(file), reason=str(error))
    return left


def backup_folder(store: Store, settings: Settings) -> Path:
    """Return where the copies of an SQLite store go."""
    if settings.backup_dir is not None:
        return Path(settings.backup_dir)
    if store.path is None:
        raise StoreError("A PostgreSQL store has no file to copy.")
    return store.path.parent / "backups"
