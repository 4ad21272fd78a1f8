"""Going back to a copy of an SQLite store, and what the copy holds and will do.

1. Refuse while a runner lives on the store, or another process has it open; from then on no Sauron opens it.
2. Copy the file beside the store and check that it is a whole Sauron store of a schema this version can read.
3. Bring that copy to the newest schema, and read what it holds and what Sauron will do with it at its start.
4. Set the store of before aside, with its -wal and -shm: an old -wal beside another file undoes it, or mixes
   both.
5. Put the copy in place.

Until step 4 the store is untouched. A crash between 4 and 5 leaves no store, and the one of before aside with
its log; no Sauron begins an empty store then, and doing it again goes on. The file that was named is only
read. Limit: SQLite; PostgreSQL has pg_restore.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chalicelib.clock import Clock
from chalicelib.errors import StoreError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, RunState
from chalicelib.scheduling import tick
from chalicelib.store import Store, bundle, copies, duties, history, registry
from chalicelib.store import runners as runner_rows
from chalicelib.store.bundle import Revision
from chalicelib.store.permissions import claim_folder, unwritable
from chalicelib.store.use_lock import RESTORING, alone

ASIDE = "{name}.before-restore-{at:%Y%m%d-%H%M%S}"
SIDES = ("-wal", "-shm")
RUNS_SHOWN = 1000
LOCK_START, LOCK_BYTES = 0x40000002, 510  # where SQLite keeps its locks: a reader holds one of these bytes


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a copy holds, and what happens to it when Sauron starts at `now`.

    `foreseen` are occurrences of the time since the copy was made: job, state, how many.
    """

    now: datetime
    schema: str
    jobs: int
    counts: dict[str, int]
    newest: Run | None
    last_tick: datetime | None
    active_sha: str | None
    revision: Revision | None
    switched: tuple[Job, ...]
    running: tuple[Run, ...]
    foreseen: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A store that was put back. `aside` is the store of before, None if there was none."""

    store: Path
    file: Path
    aside: Path | None
    holds: Holdings


def restore(store: Path, file: Path, clock: Clock, *, runners: Sequence[str]) -> Restored:
    """Put a copy in the store's place. `runners` are the names of those that live on it.

    Raises StoreError, with everything as it was.
    """
    if file.exists() and store.exists() and file.samefile(store):
        raise StoreError(f"{file} is the store itself. Name a copy of it: a file that `sauron backup` wrote.")
    if runners:
        raise StoreError(
            f"Sauron is running on {store} ({', '.join(runners)}). Stop it, and wait until it has ended; "
            "then restore."
        )
    schema = copies.examine(file)
    store = store.resolve()
    claim_folder(store.parent)
    with alone(store):
        return _replace(store, file, schema, clock.now())


def _replace(store: Path, file: Path, schema: str, at: datetime) -> Restored:
    fresh = store.with_name(f"{store.name}{RESTORING}")
    _discard(fresh)
    try:
        with copies.opened(file) as source:
            copies.write(source, fresh)
        opened = Store(f"sqlite:///{fresh}")
        try:
            opened.migrate(keep_copy=False)
            with opened.write() as tx:
                runner_rows.forget_all(tx)
            holds = _look(opened, schema, at)
        finally:
            opened.close()
        copies.examine(fresh)
        _keep_owner(fresh, store)
        with _unused(store):
            aside = _exchange(store, fresh, at)
    except OSError as error:
        raise StoreError(unwritable(store, error)) from error
    finally:
        _discard(fresh)
    return Restored(store, file, aside, holds)


def _look(store: Store, schema: str, now: datetime) -> Holdings:
    with store.read() as tx:
        active = bundle.state(tx).active_sha
        ticked = duties.duty(tx, duties.TICK)
        jobs = registry.all_jobs(tx)
        newest = history.runs(tx, states=[state for state in RunState if state != RunState.QUEUED], limit=1)
        found = bundle.find_revisions(tx, active) if active else []
        running = history.runs(tx, states=[RunState.RUNNING], limit=RUNS_SHOWN)
        counts = history.counts(tx)
    return Holdings(
        now=now,
        schema=schema,
        jobs=len(jobs),
        counts=dict(counts),
        newest=newest[0] if newest else None,
        last_tick=ticked[0] if ticked else None,
        active_sha=active,
        revision=found[0] if found else None,
        switched=tuple(job for job in jobs if job.override is not None),
        running=tuple(running),
        foreseen=_foresee(store, now),
    )


def _foresee(store: Store, now: datetime) -> tuple[tuple[str, str, int], ...]:
    """Do the first tick and take it back."""
    with store.write() as tx:
        rows = tuple(tick.foresee(tx, now=now))
        tx.rollback()
    return rows


@contextlib.contextmanager
def _unused(store: Path) -> Iterator[None]:
    """Hold SQLite's locks, which every program asks for. Raises StoreError if one has the store open."""
    if not store.exists():
        yield
        return
    descriptor = os.open(store, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES, LOCK_START)
        except (BlockingIOError, PermissionError) as error:
            raise StoreError(
                f"Another process has {store} open, such as a program that reads it. End it, then restore."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _exchange(store: Path, fresh: Path, at: datetime) -> Path | None:
    """Set the store aside and put the fresh copy in place; return the store's new name, None without one.

    Raises OSError or StoreError, with the store in its place.
    """
    aside = store.with_name(ASIDE.format(name=store.name, at=at))
    if any(Path(f"{aside}{end}").exists() for end in ("", *SIDES)):
        raise StoreError(f"{aside} exists already. Wait a second and restore again.")
    there = store.exists()
    try:
        _set_aside(store, aside)
        copies.settle(fresh, store)
    except OSError:
        for end in (*SIDES, ""):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{aside}{end}").rename(f"{store}{end}")
                Path(f"{aside}{end}").unlink()  # still there if both were names of one file
        raise
    return aside if there else None


def _set_aside(store: Path, aside: Path) -> None:
    """Rename the store with its -wal and -shm; wherever a crash comes, it has its log beside it."""
    for end in SIDES:
        with contextlib.suppress(OSError):  # none is there, or this disk has no links: then it is renamed
            os.link(f"{store}{end}", f"{aside}{end}")
    for end in ("", *SIDES):
        old, new = Path(f"{store}{end}"), Path(f"{aside}{end}")
        if new.exists():
            old.unlink()
        elif old.exists():
            old.rename(new)
    copies.sync_folder(store.parent)


def _keep_owner(fresh: Path, store: Path) -> None:
    """Give the file to whom the store belongs, if root restores it."""
    if os.geteuid() == 0:
        owner = (store if store.exists() else store.parent).stat()
        os.chown(fresh, owner.st_uid, owner.st_gid)


def _discard(fresh: Path) -> None:
    for end in ("", *SIDES, ".partial", ".checkpoint", ".lock"):
        with contextlib.suppress(OSError):
            Path(f"{fresh}{end}").unlink(missing_ok=True)
