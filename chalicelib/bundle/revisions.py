"""The seam to the loader: the bundle's git repository and the processes that run its jobs, as the duties see them.

Here settings become the loader's arguments, and the loader's errors become ours, with every known secret
blotted out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path

import sauron_jobs_loader
from chalicelib import __version__, logs
from chalicelib.clock import iso
from chalicelib.errors import BundleError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run
from chalicelib.settings import Settings
from sauron_jobs_loader.environment import requirements
from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.git.checkouts import Checkouts
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from sauron_jobs_loader.launch.launcher import Attempt, AttemptRequest, Bundle, Launcher

from . import lambda_limits
from .job_environment import JobEnvironment
from .sync import Loaded

log = logs.get(__name__)

BUILTIN_FOLDER = Path(sauron_jobs_loader.__file__).parent / "builtin"
# of a job's record, written by the bundle's code
TEXTS = ("description", "entrypoint", "command", "project", "tags", "params")


class Revisions:
    """The bundle's revisions: fetched, checked out, loaded, and running attempts of them. Safe to share between threads."""

    def __init__(self, settings: Settings, *, token: Callable[[], int | None] = lambda: None) -> None:
        self._settings = settings
        self.environ = JobEnvironment(settings)
        self._token = token
        self._checkouts = Checkouts(settings.jobs_dir)
        self._environments = Environments(
            settings.jobs_dir / "environments",
            environ=self.environ.installer(),
            variables=self.environ.zygote(),
            timeout=settings.install_timeout,
        )
        self._preloading = threading.Lock()
        # by revision: a job may write into its folder, which changes nothing
        self._pythons: dict[str, Path] = {}
        self.preloaded: str | None = None  # the revision that is loaded and ready
        self._files: tempfile.TemporaryDirectory[str] | None = None

    @cached_property
    def _launcher(self) -> Launcher:
        return Launcher(
            grace=self._settings.kill_grace, boot_timeout=self._settings.load_timeout, token=self._token
        )

    @cached_property
    def _source(self) -> GitSource | DulwichSource:
        settings = self._settings
        kind: type[GitSource | DulwichSource] = GitSource if shutil.which("git") else DulwichSource
        return kind(
            settings.jobs_git_repo_url,
            root=settings.jobs_dir,
            branch=settings.jobs_git_branch,
            token=settings.jobs_git_token,
            ssh_key_file=self._key_file(),
            known_hosts_file=self._known_hosts_file(),
            timeout=settings.git_timeout,
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except LoaderError as error:
            raise BundleError(self.environ.masker().text(str(error))) from None

    # -- what sync asks -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from syncing meanwhile."""
        with self._translated(), self._checkouts.lock():
            yield

    def fetch(self, ref: str | None) -> str:
        """Fetch a branch, tag or commit and return its full id."""
        with self._translated():
            return self._source.fetch(ref)

    def load(self, sha: str) -> Loaded:
        """Check a revision out and boot it."""
        lacking = self._lacking(sha)
        try:
            with self._translated():
                bundle = self._boot(sha)
                commit = self._source.metadata(sha) or {}
        except BundleError as error:
            raise BundleError(" ".join([str(error), *lacking])) from None
        mask = self.environ.masker()
        jobs = [{**record, **{name: mask.value(record[name]) for name in TEXTS}} for record in bundle.jobs]
        refused = [
            {"job_id": one.job_id, "place": one.place, "reason": mask.text(one.reason)}
            for one in bundle.rejected
        ]
        if self._settings.function:
            in_bundle = lambda_limits.is_file_of(self._folder(sha))
            for record in list(jobs):
                if reasons := lambda_limits.refusals(
                    JobSpec.from_record(record), unmet=lacking, in_bundle=in_bundle
                ):
                    jobs.remove(record)
                    refused.append(
                        {"job_id": record["id"], "place": record["place"], "reason": " ".join(reasons)}
                    )
        return Loaded(jobs, refused, commit.get("subject"), commit.get("author"))

    def _lacking(self, sha: str) -> list[str]:
        """Say what a revision requires that this Lambda function does not have; elsewhere it is installed."""
        if not self._settings.function:
            return []
        with self._translated():
            wanted = requirements.read(self._folder(sha))
        return lambda_limits.unmet(wanted.wanted, lambda_limits.installed()) if wanted else []

    def retire(self, keep: Collection[str]) -> None:
        """Let go of processes, checkouts and environments of revisions that are not in `keep`."""
        self._launcher.retire(keep)
        self._checkouts.prune(keep)
        for sha in [sha for sha in self._pythons if sha not in keep]:
            self._pythons.pop(sha, None)
        self._environments.prune([folder for sha in keep if (folder := self._checkouts.path(sha))])

    def preload(self, sha: str) -> None:
        """Have the active revision loaded, so that its next run starts in milliseconds, and end the processes of others."""
        with self._preloading:
            try:
                self._boot(sha)
                self.preloaded = sha
            except (LoaderError, BundleError) as error:
                log.error("revision.preload_failed", sha=sha, reason=self.environ.masker().text(str(error)))  # noqa: TRY400 - the reason is enough
            self._launcher.retire([sha])

    def _boot(self, sha: str) -> Bundle:
        folder = self._folder(sha)
        bundle = self._launcher.boot(sha, folder, self.environ.zygote(), python=self._python(sha, folder))
        self.environ.learn(str(secret["key"]) for record in bundle.jobs for secret in record["secrets"] or ())
        return bundle

    def _python(self, sha: str, folder: Path) -> Path:
        """Return the interpreter of a revision, installing what it requires if that is not there; on Lambda it is our own."""
        if self._settings.function:
            return Path(sys.executable)
        known = self._pythons.get(sha)
        if known is None or not known.is_file():
            known = self._pythons[sha] = self._environments.python(folder)
        return known

    def _folder(self, sha: str) -> Path:
        """Return a revision's checkout, making it anew if it is gone."""
        folder = self._checkouts.path(sha)
        if folder is not None:
            return folder
        if not self._settings.jobs_git_repo_url:
            raise BundleError(
                f"Revision {sha[:12]} has no checkout and JOBS_GIT_REPO_URL is not set, so it cannot be fetched."
            )
        try:
            return self._source.checkout(sha)
        except LoaderError:
            self._source.fetch(sha)
            return self._source.checkout(sha)

    def stop_installing(self) -> None:
        """End an installation of requirements that is under way, and begin none any more."""
        self._environments.close()

    # -- what work asks -----------------------------------------------------------------------------------------------

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt. Raises BundleError, also when a required secret is not set."""
        secrets, missing = self.environ.secrets(spec)
        if missing:
            raise BundleError(
                f"Required secrets are not set: {', '.join(missing)}. Set them in Sauron's environment."
            )
        if spec.builtin:
            sha, folder, python = f"builtin-{__version__}", BUILTIN_FOLDER, None
        elif run.revision is None:
            raise BundleError("No revision is active yet: sync the bundle first.")
        else:
            with self._translated():
                sha, folder = run.revision, self._folder(run.revision)
                python = self._python(sha, folder)
        identity = {"SAURON_RUN_ID": run.id, "SAURON_JOB_ID": run.job_id, "SAURON_ATTEMPT": str(run.attempt)}
        scheduled_for = iso(run.fire_at or run.created_at)
        identity["SAURON_SCHEDULED_FOR"] = scheduled_for
        spawn = self.environ.spawns(spec)
        self.environ.learn(str(secret["key"]) for secret in spec.secrets or ())
        with self._translated():
            return self._launcher.start(
                AttemptRequest(
                    sha=sha,
                    folder=folder,
                    python=python,
                    job_id=spec.id,
                    run_id=run.id,
                    attempt=run.attempt,
                    scheduled_for=scheduled_for,
                    params=run.params,
                    environ=(self.environ.of(spec) | identity) if spawn else identity,
                    secrets=secrets,
                    spawn=spawn,
                    zygote_environ=self.environ.zygote(),
                    masker=self.environ.masker(),
                    masked_names=self.environ.masked_names,
                )
            )

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _private_file(self, name: str, content: bytes) -> Path:
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="sauron-")
        file = Path(self._files.name) / name
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        return file

    def _key_file(self) -> Path | None:
        settings = self._settings
        if settings.ssh_key_path is not None:
            return Path(settings.ssh_key_path)
        if settings.ssh_private_key_b64 is None:
            return None
        return self._private_file("key", settings.ssh_private_key_b64.rstrip() + b"\n")

    def _known_hosts_file(self) -> Path | None:
        text: str | None = self._settings.ssh_known_hosts
        if text is None:
            return None
        return self._private_file("known_hosts", text.encode() + b"\n") if " " in text else Path(text)

    def install_log(self, sha: str | None) -> str | None:
        """Return the file that says how the requirements of a revision were installed, or None if it has none."""
        with contextlib.suppress(LoaderError):
            if (
                sha
                and not self._settings.function
                and (folder := self._checkouts.path(sha))
                and (file := self._environments.log_file(folder))
            ):
                return str(file)
        return None

    # -- others -------------------------------------------------------------------------------------------------------

    @property
    def display_url(self) -> str | None:
        """The bundle's address without credentials."""
        with contextlib.suppress(LoaderError):
            return self._source.display_url if self._settings.jobs_git_repo_url else None
        return None

    def close(self) -> None:
        """End every process and remove the key files."""
        self.stop_installing()
        if "_launcher" in self.__dict__:
            self._launcher.close()
        if self._files is not None:
            self._files.cleanup()
