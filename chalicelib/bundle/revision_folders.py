"""The folders of revisions: each holds what its commit does, also after a job has written into it.

Jobs run in these folders and can write there. When a folder comes into use in a process, and after an attempt
has changed its code, it is compared with its commit, and made anew if it differs. Data that a job added stays
until a runner starts with that revision, or until the folder is deleted. Limit: a change that an attempt
takes back before it ends is not seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from chalicelib import logs
from chalicelib.errors import BundleError
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.git import snapshot
from sauron_jobs_loader.git.checkouts import Checkouts

log = logs.get(__name__)

SMALL = 100  # files of a folder that is looked at after every attempt: some tenths of a millisecond
PAUSE_SECONDS = 10.0  # between two looks at a larger one
CURE = "Keep data in ctx.state, or in a folder outside of the bundle."


class Source(Protocol):
    """Where commits come from."""

    def fetch(self, ref: str | None = None) -> str:
        """Bring a commit to this machine."""

    def checkout(self, sha: str, *, anew: bool = False) -> Path:
        """Make the folder of a commit."""


class RevisionFolders:
    """Hands out the folders of revisions. Safe to share between threads."""

    def __init__(
        self,
        checkouts: Checkouts,
        source: Callable[[], Source | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use these checkouts; `source` returns where to get commits from, None if no bundle is set."""
        self._checkouts = checkouts
        self._source = source
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._trusted: set[str] = set()
        self._tidied: set[str] = set()
        self._seen: dict[str, tuple[float, dict[str, snapshot.Facts]]] = {}

    def path(self, sha: str, *, tidy: bool = False) -> Path:
        """Return the folder of a revision, made anew if it is gone or not what its commit is.

        With `tidy`, data that jobs added is a difference too, the first time.

        Raises BundleError, LoaderError.
        """
        tidy = tidy and sha not in self._tidied
        folder = self._checkouts.path(sha)
        if folder is not None and sha in self._trusted and not tidy:
            return folder
        with self._lock:
            folder = self._checkouts.path(sha)
            if folder is None:
                folder = self._made(sha, anew=False)
                self._tidied.add(sha)
            elif sha not in self._trusted or tidy:
                folder = self._restored(sha, folder, tidy=tidy)
            self._trusted.add(sha)
            if tidy:
                self._tidied.add(sha)
            self._seen[sha] = (self._monotonic(), snapshot.look(folder))
            return folder

    def after_attempt(self, sha: str) -> str | None:
        """Return a sentence about the files of a revision that changed since the last look, or None."""
        seen = self._seen.get(sha)
        if seen is None or (len(seen[1]) > SMALL and self._monotonic() - seen[0] < PAUSE_SECONDS):
            return None
        folder = self._checkouts.path(sha)
        now = snapshot.look(folder) if folder else {}
        touched = snapshot.since(seen[1], now)
        self._seen[sha] = (self._monotonic(), now)
        altered = self._checkouts.altered(sha) if touched else None
        if altered and altered.code:
            self._trusted.discard(sha)
        ours = altered.only(touched) if altered else None
        if not ours:
            return None
        log.warning("revision.altered", sha=sha, files=str(ours))
        lost = "made anew before its next run" if altered and altered.code else "deleted with the revision"
        return (
            f"This run, or one beside it, wrote into the files of its revision: {ours}. A revision is what"
            f" its commit says, so these files are {lost}. {CURE}"
        )

    def retire(self, keep: Collection[str]) -> None:
        """Delete the folders of all other revisions, and log the data that jobs left there."""
        for sha in self._checkouts.beside(keep):
            altered = self._checkouts.altered(sha)
            if altered and altered.added:
                log.warning("revision.files_deleted", sha=sha, files=str(altered.only(altered.added)))
        with self._lock:
            for sha in self._checkouts.prune(keep):
                self._trusted.discard(sha)
                self._tidied.discard(sha)
                self._seen.pop(sha, None)

    def _restored(self, sha: str, folder: Path, *, tidy: bool) -> Path:
        altered = self._checkouts.altered(sha)
        if altered is not None and not (altered.code or (tidy and altered)):
            return folder
        try:
            made = self._made(sha, anew=True)
        except (LoaderError, BundleError) as error:
            if altered is None:  # an earlier version made it, and its commit may be gone
                self._checkouts.accept(sha)
            elif altered.code:
                raise BundleError(
                    f"The files of revision {sha[:12]} were changed since it was checked out ({altered}), and"
                    f" it cannot be made anew: {error}"
                ) from error
            return folder
        if altered is not None:
            log.warning("revision.replaced", sha=sha, files=str(altered))
        return made

    def _made(self, sha: str, *, anew: bool) -> Path:
        source = self._source()
        if source is None:
            raise BundleError(
                f"Revision {sha[:12]} has no checkout and JOBS_GIT_REPO_URL is not set, "
                "so it cannot be fetched."
            )
        try:
            return source.checkout(sha, anew=anew)
        except LoaderError:
            source.fetch(sha)
            return source.checkout(sha, anew=anew)
