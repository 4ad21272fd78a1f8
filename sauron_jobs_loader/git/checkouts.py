"""The folder of checked-out revisions: which exist, and which may be deleted.

A folder `revisions/<sha>` is complete from the moment it has that name. Sauron never edits it, but a job can:
`snapshots/<sha>.json` holds how its files were, and `altered` compares. A folder to delete is renamed first,
so a reader never finds half a revision; a crash meanwhile leaves a `.gone` folder that the next pruning
removes. Pruning skips a folder that cannot be removed. Limit: activating a revision and pruning both need
`lock()`, or a revision could be pruned between its checkout and its first use.
"""

import re
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path

from sauron_jobs_loader.file_lock import file_lock
from sauron_jobs_loader.removal import remove_folder

from . import snapshot
from .snapshot import Altered

FULL_SHA = re.compile(r"[0-9a-f]{40}")
_STALE_AFTER = timedelta(hours=1)
_LOCK_TIMEOUT = timedelta(minutes=10)


def snapshot_of(folder: Path) -> Path:
    """Return the file that says how the files of a checkout were when it was made."""
    return folder.parent.with_name("snapshots") / f"{folder.name}.json"


class Checkouts:
    """The checkouts below `root`, and the lock that one sync at a time holds."""

    def __init__(self, root: Path, *, now: Callable[[], float] = time.time) -> None:
        self.folder = root / "revisions"
        self._lock_file = root / "sync.lock"
        self._now = now

    def path(self, sha: str) -> Path | None:
        """Return the folder of revision `sha`, or None if it is not checked out."""
        folder = self.folder / sha
        return folder if FULL_SHA.fullmatch(sha) and folder.is_dir() else None

    def altered(self, sha: str) -> Altered | None:
        """Return how a checkout differs from its commit; None if that is not known."""
        folder = self.path(sha)
        return snapshot.compare(snapshot_of(folder), folder) if folder else None

    def accept(self, sha: str) -> None:
        """From now on take a checkout, whose commit cannot be read any more, as it is."""
        if folder := self.path(sha):
            snapshot.save(snapshot_of(folder), folder)

    def beside(self, keep: Collection[str]) -> list[str]:
        """Return the revisions that are checked out and not in `keep`."""
        return [
            entry.name
            for entry in self._entries()
            if FULL_SHA.fullmatch(entry.name) and entry.name not in keep
        ]

    def lock(self, *, timeout: timedelta = _LOCK_TIMEOUT) -> AbstractContextManager[int]:
        """Hold the lock that only one sync among all processes and threads has; not twice in one thread."""
        return file_lock(self._lock_file, timeout=timeout)

    def prune(self, keep: Collection[str]) -> list[str]:
        """Delete revisions not in `keep` and the leftovers of crashes; return what was deleted, sorted."""
        pruned = []
        for entry in self._entries():
            if FULL_SHA.fullmatch(entry.name):
                if entry.name not in keep and self._discard(entry):
                    pruned.append(entry.name)
            elif entry.name.endswith(".gone") or (entry.name.endswith(".tmp") and self._is_stale(entry)):
                remove_folder(entry)
        return sorted(pruned)

    def _entries(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except OSError:
            return []

    def _discard(self, folder: Path) -> bool:
        doomed = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.gone")
        with suppress(OSError):
            folder.rename(doomed)
            snapshot_of(folder).unlink(missing_ok=True)
            remove_folder(doomed)
            return True
        return False

    def _is_stale(self, folder: Path) -> bool:
        with suppress(OSError):
            return self._now() - folder.stat().st_mtime > _STALE_AFTER.total_seconds()
        return False
