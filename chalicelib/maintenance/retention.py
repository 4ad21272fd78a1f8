"""What is kept for how long, and the copies of the store: deleted and made a bounded piece at a time.

Each pass is small transactions, so runs are claimed and recorded meanwhile; a crash between two of them loses
nothing that was to be kept. What a job's ledger needs to be audited goes together with the runs it stands
for.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.errors import StoreError
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts, bundle, history, incidents, log_chunks, registry

log = logs.get(__name__)

BATCH = 500  # rows deleted in one transaction
MOST_BATCHES = 20  # in one pass: the rest waits for the next
KEEP_ALERTS = timedelta(days=30)
BACKUP_NAME = "sauron-{:%Y%m%d-%H%M%S}.sqlite3"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each kind one pass deleted, and whether there may be more."""

    runs: int = 0
    chunks: int = 0
    alerts: int = 0
    more: bool = False


def prune(
    store: Store, clock: Clock, settings: Settings, *, batch: int = BATCH, most_batches: int = MOST_BATCHES
) -> Pruned:
    """Delete what is beyond its age, and a job's runs beyond their number.

    A transaction deletes at most `batch` rows of a table, a pass makes at most `most_batches` of them.
    """
    now = clock.now()
    runs = chunks = told = 0
    for _ in range(most_batches):
        with store.write() as tx:
            some = (
                log_chunks.prune(tx, before=now - settings.keep_logs, most=batch),
                history.prune(tx, before=now - settings.keep_runs, most=batch),
                alerts.prune(tx, before=now - KEEP_ALERTS, most=batch)
                + incidents.prune(tx, before=now - KEEP_ALERTS, most=batch),
            )
        chunks, runs, told = chunks + some[0], runs + some[1], told + some[2]
        if more := max(some) >= batch:
            continue
        break
    with store.read() as tx:
        crowded = history.crowded_jobs(tx, keep=settings.keep_runs_per_job + batch // 10)
    for job_id in crowded[:most_batches]:
        with store.write() as tx:
            gone = history.prune_job(tx, job_id, keep=settings.keep_runs_per_job, most=batch)
        runs, more = runs + gone, more or gone >= batch
    with store.write() as tx:
        registry.prune_periods(tx)
        bundle.prune_revisions(tx, before=now - settings.keep_runs)
    if runs:
        log.info("runs.pruned", count=runs)
    return Pruned(runs, chunks, told, more or len(crowded) > most_batches)


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the store that was made, and how many there are now."""

    file: Path
    size: int
    kept: int


def backup(store: Store, clock: Clock, settings: Settings) -> Backup:
    """Copy an SQLite store beside the earlier copies and delete the oldest beyond their number.

    Raises StoreError when the store is no file, the folder cannot be written, or the disk has no room for the
    copy: a copy that fills the disk would stop what it is to protect.
    """
    if store.path is None:
        raise StoreError("A PostgreSQL store is backed up by pg_dump, not by Sauron. Disable sauron.backup.")
    folder = backup_folder(store, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StoreError(
            f"SAURON_BACKUP_DIR {folder} cannot be used: {error.strerror}. Name a folder that can be written."
        ) from error
    needed = store.path.stat().st_size
    if free < 2 * needed:
        raise StoreError(
            f"{folder} has {free >> 20} MB free and a copy takes {needed >> 20} MB. Free some space, "
            "or name a folder on another "
            "disk in SAURON_BACKUP_DIR."
        )
    for cut_off in folder.glob("sauron-*.sqlite3.partial"):  # by a kill
        cut_off.unlink(missing_ok=True)
    file = folder / BACKUP_NAME.format(clock.now())
    store.backup(file)
    copies = sorted(folder.glob("sauron-*.sqlite3"))
    for old in copies[: -settings.keep_backups]:
        old.unlink(missing_ok=True)
    return Backup(file, file.stat().st_size, min(len(copies), settings.keep_backups))


def backup_folder(store: Store, settings: Settings) -> Path:
    """Return where the copies of an SQLite store go."""
    if settings.backup_dir is not None:
        return Path(settings.backup_dir)
    if store.path is None:
        raise StoreError("A PostgreSQL store has no file to copy.")
    return store.path.parent / "backups"
