"""The bundle's revisions: the one user of the loader's git, environment and launch parts.

Settings become arguments of the loader. Its errors become BundleError, with every known secret masked.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sauron_jobs_loader
from chalicelib import __version__, logs
from chalicelib.errors import BundleError, UnknownRefError
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.runs import Run
from chalicelib.settings import Settings
from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.errors import LoaderError, SourceError, SourceFault
from sauron_jobs_loader.git.checkouts import Checkouts
from sauron_jobs_loader.launch.launcher import Attempt, Launcher

from .activation import Loaded
from .attempt_request import attempt_request, secrets_missing
from .bundle_source import BundleSource, without_ref
from .job_environment import JobEnvironment
from .key_files import KeyFiles
from .revision_loader import RevisionLoader

log = logs.get(__name__)

SYNC_PATIENCE = timedelta(minutes=10)  # how long a sync waits for another
BUILTIN_FOLDER = Path(sauron_jobs_loader.__file__).parent / "builtin"


class Revisions:
    """Fetches, checks out and loads revisions, and starts attempts of them. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        job_environment: JobEnvironment,
        *,
        inherited_lock_fd: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Build from settings, without touching git; `inherited_lock_fd` as in `Launcher`."""
        self._settings = settings
        self._environment = job_environment
        self._key_files = KeyFiles(settings)
        self._checkouts = Checkouts(settings.jobs_dir)
        self._source = BundleSource(settings, self._key_files, self._checkouts)
        self._environments = Environments(
            settings.jobs_dir / "environments",
            environ=self._environment.installer(),
            variables=self._environment.zygote(),
            timeout=settings.install_timeout,
        )
        self._launcher = Launcher(
            grace=settings.kill_grace,
            boot_timeout=settings.load_timeout,
            inherited_lock_fd=inherited_lock_fd,
            at_once=settings.workers,
        )
        self._preloading = threading.Lock()
        self._loader = RevisionLoader(settings, job_environment, self._source, self._environments)
        self.preloaded: str | None = None  # the revision that is loaded and ready

    # -- for syncs ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, *, timeout: timedelta = SYNC_PATIENCE) -> Iterator[None]:
        """Keep other processes from syncing meanwhile. Raises BundleError if one holds the lock too long."""
        with contextlib.ExitStack() as held:
            with self._loader.translated():
                held.enter_context(self._checkouts.lock(timeout=timeout))
            yield

    def fetch(self, ref: str | None, *, listed: bool = False) -> str:
        """Fetch a branch, tag or commit (None: the configured branch); return its full id.

        With `listed` a commit that no branch or tag leads to is not there. Raises BundleError, and
        UnknownRefError if `ref` is not there. Neither repeats a `ref` of a caller.
        """
        with self._loader.translated("fetching the bundle"):
            try:
                return self._source.git.fetch(ref, listed=listed)
            except SourceError as error:
                if ref is None:
                    raise
                kind = UnknownRefError if error.fault is SourceFault.UNKNOWN_REF else BundleError
                raise kind(self._environment.masker().text(without_ref(error))) from None

    @property
    def followed(self) -> str | None:
        """The branch that syncs follow: the configured one, or the one that the last fetch found."""
        return self._source.followed

    def load(self, sha: str) -> Loaded:
        """Check a revision out and boot it, and keep it loaded.

        Raises BundleError; single faulty jobs are returned as rejected.
        """
        return self._loader.load(sha, self._launcher)

    def look(self, sha: str) -> Loaded:
        """Check a revision out and boot it beside the others, and let go of its processes again.

        Raises BundleError; single faulty jobs are returned as rejected.
        """
        launcher = Launcher(grace=self._settings.kill_grace, boot_timeout=self._settings.load_timeout)
        try:
            return self._loader.load(sha, launcher)
        finally:
            launcher.close()

    def commits(self, base: str | None, sha: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the commits of a revision that `base` lacks, and those of `base` that it lacks."""
        return self._loader.commits(base, sha)

    def is_checked_out(self, sha: str) -> bool:
        """Return whether the folder of a revision is there."""
        return self._checkouts.path(sha) is not None

    def discard(self, sha: str) -> None:
        """Delete the folder of a revision that nothing uses; the caller holds the lock."""
        self._source.folders.retire(self._checkouts.beside([sha]))

    def retire(self, keep: Collection[str]) -> None:
        """Release the processes, checkouts and environments of revisions that are not in `keep`."""
        self._launcher.retire(keep)
        self._source.folders.retire(keep)
        self._loader.forget(keep)
        kept = [folder for sha in keep if (folder := self._checkouts.path(sha))]
        self._environments.prune([folder / (self._settings.jobs_git_subdir or "") for folder in kept])

    def preload(self, sha: str) -> None:
        """Load the active revision, so that its next run starts in milliseconds.

        The idle processes of other revisions end. A revision that does not load is logged.
        """
        with self._preloading:
            try:
                with self._loader.translated():
                    self._source.folders.path(sha, tidy=True)
                self._loader.boot(sha, self._launcher)
                self.preloaded = sha
            except Exception as error:  # noqa: BLE001 - whatever a bundle holds, the sync has ended well
                reason = self._environment.masker().text(str(error))
                log.error("revision.preload_failed", sha=sha, reason=reason)  # noqa: TRY400 - the reason is enough
            self._launcher.retire([sha])

    def stop_installing(self) -> None:
        """End a running installation of requirements, and start no other."""
        self._environments.close()

    # -- for workers --------------------------------------------------------------------------------------

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt. Raises BundleError, also if a required secret is not set."""
        if missing := self._environment.missing(spec):
            raise secrets_missing(missing)
        if spec.builtin:
            sha, folder, python = f"builtin-{__version__}", BUILTIN_FOLDER, None
        elif run.revision is None:
            raise BundleError("No revision is active yet: sync the bundle first.")
        else:
            with self._loader.translated():
                sha, folder = run.revision, self._source.folder(run.revision)
                python = self._loader.python(sha, folder)
        request = attempt_request(
            self._environment,
            run,
            spec,
            sha=sha,
            folder=folder,
            python=python,
            zygote_environ=self._environment.zygote(),
            closing=partial(self._source.folders.after_attempt, sha),
        )
        with self._loader.translated():
            return self._launcher.start(request)

    def prepare(self, count: int) -> None:
        """Have processes ready for so many attempts of the active revision, which are soon to start."""
        if self.preloaded is not None:
            self._launcher.prepare(self.preloaded, count)

    def rest(self, waiting: timedelta) -> None:
        """End processes that have waited so long for an attempt."""
        self._launcher.rest(waiting)

    def params_faults(self, job: Job, params: Mapping[str, Any]) -> list[str] | None:
        """Return what the model of a job's params says of these; None if it cannot be asked.

        On Lambda the function that serves HTTP has no time to load a bundle, so it is not asked there.
        """
        if self._settings.function or job.revision is None:
            return None
        try:
            folder = self._source.folder(job.revision)
            found = self._launcher.params_faults(
                job.revision,
                folder,
                self._environment.zygote(),
                python=self._loader.python(job.revision, folder),
                job_id=job.id,
                params=params,
            )
        except (LoaderError, BundleError) as error:
            log.info("params.check_failed", job_id=job.id, reason=self._environment.masker().text(str(error)))
            return None
        return [self._environment.masker().text(one) for one in found]

    # -- for the status -----------------------------------------------------------------------------------

    @property
    def display_url(self) -> str | None:
        """The bundle's address without credentials."""
        return self._source.display_url

    def close(self) -> None:
        """End every process and remove the key files."""
        self.stop_installing()
        self._launcher.close()
        self._key_files.close()
