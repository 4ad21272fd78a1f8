"""The runner's door to bundle processes: boot a revision, start attempts of its jobs, let revisions go.

One zygote is kept per revision and booted again when it died, so a job that kills it harms no later attempt,
and when the date has changed, so that a module's "today" is no older than a day. A revision whose loading
leaves threads or connections behind gets no zygote: its attempts are spawned, each loading the bundle itself.
 Whatever happens to the runner, no process started here outlives it. Safe to use from several threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets as randomness
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.process.manifest import MANIFEST

from . import questions, scratch, slots
from .attempt import REPORT_PATIENCE, Attempt
from .boot import Bundle, Rejection, bundle_of
from .days import Days
from .facts import AttemptFacts
from .oom_watch import OomWatch
from .process_tree_handle import ProcessTreeHandle, TreeGoneError
from .request import AttemptRequest, limits_of, message_of

__all__ = ["Attempt", "AttemptFacts", "AttemptRequest", "Bundle", "Launcher", "Rejection"]

FORK_TRIES = 3


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Launcher:
    """Boots revisions and starts attempts."""

    def __init__(
        self,
        *,
        grace: timedelta = timedelta(seconds=5),
        boot_timeout: timedelta = timedelta(seconds=60),
        report_patience: timedelta = REPORT_PATIENCE,
        inherited_lock_fd: Callable[[], int | None] = lambda: None,
        at_once: int = sys.maxsize,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Make a launcher. `inherited_lock_fd` returns the descriptor of a lock that each guard holds open.

        The guard keeps it until every process below it has ended. None: nothing is inherited. A supervisor
        that does not report within `report_patience` after its last time limit is killed. At most `at_once`
        attempts run at once, so more supervisors than that are not kept. `now` returns the wall clock, aware.
        """
        self._now = now
        self._report_patience = report_patience
        self._inherited_lock_fd = inherited_lock_fd
        self._at_once = at_once
        self._grace = grace
        self._boot_timeout = boot_timeout
        self._lock = threading.Lock()
        self._boot_locks: dict[str, threading.Lock] = {}
        self._zygotes: dict[str, ProcessTreeHandle] = {}
        self._bundles: dict[str, Bundle] = {}
        self._days: dict[str, Days] = {}
        self._retiring: list[ProcessTreeHandle] = []
        self._attempts: set[Attempt] = set()
        self._closed = False
        self._oom = OomWatch()

    def boot(
        self, sha: str, folder: Path, environ: Mapping[str, str], *, python: Path | None = None
    ) -> Bundle:
        """Load a revision, return what it defines, and keep it loaded for attempts.

        Raises BootError, with nothing left running.

        `python` is the interpreter to load it with; None is Sauron's own.
        """
        with self._boot_lock(sha):
            with self._lock:
                known, tree, days = self._bundles.get(sha), self._zygotes.get(sha), self._days.get(sha)
            if known and days and (known.left_behind or (tree and days == days.at(self._now()))):
                return known
            if tree:
                self._drop(tree)
            return self._boot(sha, folder, environ, python)

    def start(self, request: AttemptRequest) -> Attempt:
        """Start an attempt and return once its process exists. Raises BootError if none can be started."""
        return self._spawn(request) if request.spawn else self._fork(request)

    def _fork(self, request: AttemptRequest) -> Attempt:
        """Have the revision's zygote fork; spawn if the revision can have none.

        A job, or the kernel for want of memory, may kill a zygote at any moment before it forks. Then another
        one is booted.
        """
        for _ in range(FORK_TRIES):
            bundle = self.boot(request.sha, request.folder, request.zygote_environ, python=request.python)
            if bundle.left_behind:
                inherited = {**request.zygote_environ, **request.environ}
                return self._spawn(dataclasses.replace(request, environ=inherited))
            with self._lock:
                tree = self._zygotes.get(request.sha)
            if tree is not None:
                try:
                    return self._begin(tree, request, own_tree=False)
                except TreeGoneError:
                    self._drop(tree)
        raise BootError(
            f"Revision {request.sha[:12]} loads, but its process keeps ending before it can start a job."
        )

    def _spawn(self, request: AttemptRequest) -> Attempt:
        """Start a fresh interpreter, which loads the revision for this attempt alone."""
        environ = {**request.environ, **request.secrets}
        tree = self._start_tree("spawn", request.sha, request.folder, environ, request.python)
        tree.leave_output()
        try:
            return self._begin(tree, request, own_tree=True)
        except TreeGoneError as error:
            tree.end()
            raise BootError(
                f"The process for a run of {request.job_id!r} ended before it could start the job."
            ) from error
        except BootError:
            tree.end()
            raise

    def params_faults(
        self,
        sha: str,
        folder: Path,
        environ: Mapping[str, str],
        *,
        python: Path | None,
        job_id: str,
        params: Mapping[str, Any],
    ) -> list[str]:
        """Have a job's own model look at params, in a process of its revision; return the faults.

        Raises BootError if the revision does not load or does not reply in time.
        """
        bundle = self.boot(sha, folder, environ, python=python)
        with self._lock:
            tree = self._zygotes.get(sha)
        own = self._start_tree("spawn", sha, folder, environ, python) if bundle.left_behind else None
        if own:
            own.leave_output()
        try:
            return questions.params_faults(own or tree, folder, job_id=job_id, params=params)
        finally:
            if own:
                own.end()

    def prepare(self, sha: str, count: int) -> None:
        """Have processes made for so many attempts of a revision, if it is loaded, ahead of need."""
        with self._lock:
            tree = self._zygotes.get(sha)
        if tree is not None:
            with contextlib.suppress(TreeGoneError):  # the attempt boots another
                slots.prepare(tree, count - tree.free)

    def rest(self, waiting: timedelta) -> None:
        """End the processes that have waited so long for an attempt, but for one of each revision."""
        with self._lock:
            trees = list(self._zygotes.values())
        for tree in trees:
            tree.let_go_of_free(waiting, keep=1)

    def retire(self, keep: Collection[str]) -> None:
        """Let go of the revisions not in `keep`. Attempts that run go on to their end."""
        with self._lock:
            for sha in [sha for sha in self._bundles if sha not in keep]:
                del self._bundles[sha]
                self._days.pop(sha, None)
                self._boot_locks.pop(sha, None)
                if tree := self._zygotes.pop(sha, None):
                    tree.retire()
                    self._retiring.append(tree)
        self._collect()

    def close(self) -> None:
        """End everything at once, attempts included, and wait until it is gone."""
        with self._lock:
            self._closed = True
            trees = [*self._zygotes.values(), *self._retiring]
            attempts = list(self._attempts)
            self._zygotes.clear()
            self._retiring.clear()
            self._bundles.clear()
        for attempt in attempts:
            attempt.abandon("its runner was stopped")
        for tree in trees:
            tree.end()
        for attempt in attempts:
            attempt.end()

    def _boot_lock(self, sha: str) -> threading.Lock:
        with self._lock:
            return self._boot_locks.setdefault(sha, threading.Lock())

    def _start_tree(
        self, mode: str, sha: str, folder: Path, environ: Mapping[str, str], python: Path | None
    ) -> ProcessTreeHandle:
        if self._closed:
            raise BootError("The launcher is closed.")
        if not folder.is_dir():
            raise BootError(f"Revision {sha[:12]} has no folder at {folder}. Sync again to check it out.")
        return ProcessTreeHandle(
            mode, sha, folder, environ, python=python, inherited_lock_fd=self._inherited_lock_fd()
        )

    def _boot(self, sha: str, folder: Path, environ: Mapping[str, str], python: Path | None) -> Bundle:
        if folder.is_dir() and not (folder / MANIFEST).is_file():
            raise BootError(
                f"The bundle has no {MANIFEST} at its top."
                " Add one that registers the jobs (`sauron init` writes an example)."
            )
        began = self._now()
        tree = self._start_tree("zygote", sha, folder, environ, python)
        bundle = None
        try:
            bundle = bundle_of(tree, sha, self._boot_timeout)
        finally:
            if bundle is None or bundle.left_behind:
                tree.end()
        with self._lock:
            self._bundles[sha] = bundle
            self._days[sha] = Days.of(bundle.jobs, began)
            if not bundle.left_behind:
                tree.leave_output()
                self._zygotes[sha] = tree
        return bundle

    def _begin(self, tree: ProcessTreeHandle, request: AttemptRequest, *, own_tree: bool) -> Attempt:
        nonce = randomness.token_hex(8)
        folder = scratch.place({**request.zygote_environ, **request.environ}, nonce)
        begun = slots.begin(tree, message_of(request, nonce, folder))
        attempt = Attempt(
            tree=tree,
            own_tree=own_tree,
            nonce=nonce,
            begun=begun,
            oom=self._oom,
            terms=limits_of(request) | {"more": tree.free < self._at_once},
            grace=self._grace,
            report_patience=self._report_patience,
            masker=request.masker,
            closing=request.closing,
            scratch_folder=folder,
            on_end=self._ended,
        )
        with self._lock:
            self._attempts.add(attempt)
            if len(self._attempts) > 1:
                for one in self._attempts:
                    one.ran_alone = False
        return attempt

    def _ended(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.discard(attempt)
        self._collect()

    def _drop(self, tree: ProcessTreeHandle) -> None:
        """Replace a zygote that died; the attempts it started go on under its guard."""
        with self._lock:
            if self._zygotes.get(tree.sha) is tree:
                del self._zygotes[tree.sha]
                tree.retire()
                self._retiring.append(tree)

    def _collect(self) -> None:
        """Wait for the guards that have ended, so that no zombie is left of them."""
        with self._lock:
            over = [tree for tree in self._retiring if tree.ended]
            self._retiring = [tree for tree in self._retiring if tree not in over]
        for tree in over:
            tree.wait()
