"""The bundle's revisions: the one user of the loader's git, environment and launch parts.

Settings become arguments of the loader. Its errors become BundleError, with every known secret masked.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import sauron_jobs_loader
from chalicelib import __version__, logs
from chalicelib.errors import BundleError, UnknownRefError
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.runs import Run
from chalicelib.settings import Settings
from sauron_jobs_loader.environment import requirements
from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.errors import LoaderError, SourceError, SourceFault
from sauron_jobs_loader.git.checkouts import Checkouts
from sauron_jobs_loader.launch.launcher import Attempt, Bundle, Launcher

from .activation import Loaded
from .attempt_request import attempt_request, secrets_missing
from .bundle_source import BundleSource, without_ref
from .job_environment import JobEnvironment
from .key_files import KeyFiles

log = logs.get(__name__)

BUILTIN_FOLDER = Path(sauron_jobs_loader.__file__).parent / "builtin"
# the fields of a job's record that the bundle's code writes freely
TEXTS = ("description", "entrypoint", "command", "project", "tags", "params")
UNEXPECTED_CHARS = 500  # of the message of an exception that nobody foresaw
WHY_SHOWN = 3  # remarks that the error of a revision that does not load quotes


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
            grace=settings.kill_grace, boot_timeout=settings.load_timeout, inherited_lock_fd=inherited_lock_fd
        )
        self._preloading = threading.Lock()
        # once a revision has its interpreter, requirements that a job writes into its folder change nothing
        self._pythons: dict[str, Path] = {}
        self.preloaded: str | None = None  # the revision that is loaded and ready

    @contextlib.contextmanager
    def _translated(self, doing: str | None = None) -> Iterator[None]:
        """Turn the loader's errors into BundleError, masked; with `doing`, every other one as well."""
        mask = self._environment.masker().text
        try:
            yield
        except BundleError:
            raise
        except LoaderError as error:
            raise BundleError(mask(str(error))) from None
        except Exception as error:
            if doing is None:
                raise
            log.exception("sync.broke_off", doing=doing)
            said = mask(f"{type(error).__name__}: {error}")[:UNEXPECTED_CHARS]
            raise BundleError(
                f"Something unexpected went wrong while {doing} ({said}). Sauron's log has the details."
            ) from error

    # -- for syncs ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from syncing meanwhile. Raises BundleError if one holds the lock too long."""
        with contextlib.ExitStack() as held:
            with self._translated():
                held.enter_context(self._checkouts.lock())
            yield

    def fetch(self, ref: str | None) -> str:
        """Fetch a branch, tag or commit (None: the configured branch); return its full id.

        Raises BundleError, and UnknownRefError if `ref` is not there. Neither repeats a `ref` of a caller.
        """
        with self._translated("fetching the bundle"):
            try:
                return self._source.git.fetch(ref)
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
        """Check a revision out and boot it.

        Raises BundleError; single faulty jobs are returned as rejected.
        """
        lacking = self._lacking(sha)
        try:
            with self._translated("loading the bundle"):
                bundle = self._boot(sha)
                commit = self._source.git.metadata(sha) or {}
        except BundleError as error:
            raise BundleError(" ".join([str(error), *lacking, *self._why_lacking(sha)])) from None
        mask = self._environment.masker()
        found = self._source.remarks(sha, bundle, self._pythons.get(sha))
        remarks = [mask.value(one.record()) for one in found]
        jobs = [{**record, **{name: mask.value(record[name]) for name in TEXTS}} for record in bundle.jobs]
        refused = [
            {"job_id": one.job_id, "place": one.place, "reason": mask.text(one.reason)}
            for one in bundle.rejected
        ]
        if self._settings.function:
            from . import lambda_limits

            in_bundle = lambda_limits.is_file_of(self._source.folder(sha))
            for record in list(jobs):
                if reasons := lambda_limits.refusals(
                    JobSpec.from_record(record), unmet=lacking, in_bundle=in_bundle
                ):
                    jobs.remove(record)
                    refused.append(
                        {"job_id": record["id"], "place": record["place"], "reason": " ".join(reasons)}
                    )
        return Loaded(jobs, refused, commit.get("subject"), commit.get("author"), remarks)

    def _why_lacking(self, sha: str) -> list[str]:
        """Return what the tree of a revision that does not load may lack, as sentences."""
        mask = self._environment.masker()
        return [mask.text(f"Also, {one}.") for one in self._source.remarks(sha)[:WHY_SHOWN]]

    def _lacking(self, sha: str) -> list[str]:
        """Return what a revision requires and this Lambda function lacks.

        Elsewhere requirements are installed.
        """
        if not self._settings.function:
            return []
        from . import lambda_limits

        with self._translated():
            wanted = requirements.read(self._source.folder(sha))
        return lambda_limits.unmet(wanted.wanted, lambda_limits.installed()) if wanted else []

    def retire(self, keep: Collection[str]) -> None:
        """Release the processes, checkouts and environments of revisions that are not in `keep`."""
        self._launcher.retire(keep)
        self._source.folders.retire(keep)
        for sha in [sha for sha in self._pythons if sha not in keep]:
            self._pythons.pop(sha, None)
        kept = [folder for sha in keep if (folder := self._checkouts.path(sha))]
        self._environments.prune([folder / (self._settings.jobs_git_subdir or "") for folder in kept])

    def preload(self, sha: str) -> None:
        """Load the active revision, so that its next run starts in milliseconds.

        The idle processes of other revisions end. A revision that does not load is logged.
        """
        with self._preloading:
            try:
                with self._translated():
                    self._source.folders.path(sha, tidy=True)
                self._boot(sha)
                self.preloaded = sha
            except Exception as error:  # noqa: BLE001 - whatever a bundle holds, the sync has ended well
                reason = self._environment.masker().text(str(error))
                log.error("revision.preload_failed", sha=sha, reason=reason)  # noqa: TRY400 - the reason is enough
            self._launcher.retire([sha])

    def _boot(self, sha: str) -> Bundle:
        folder = self._source.folder(sha)
        bundle = self._launcher.boot(
            sha, folder, self._environment.zygote(), python=self._python(sha, folder)
        )
        self._environment.learn(
            str(secret["key"]) for record in bundle.jobs for secret in record["secrets"] or ()
        )
        return bundle

    def _python(self, sha: str, folder: Path) -> Path:
        """Return the interpreter of a revision, after installing its requirements.

        On Lambda it is Sauron's own.
        """
        if self._settings.function:
            return Path(sys.executable)
        known = self._pythons.get(sha)
        if known is None or not known.is_file():
            known = self._pythons[sha] = self._environments.python(folder)
        return known

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
            with self._translated():
                sha, folder = run.revision, self._source.folder(run.revision)
                python = self._python(sha, folder)
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
        with self._translated():
            return self._launcher.start(request)

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
                python=self._python(job.revision, folder),
                job_id=job.id,
                params=params,
            )
        except (LoaderError, BundleError) as error:
            log.info("params.not_asked", job_id=job.id, reason=self._environment.masker().text(str(error)))
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
