"""A bundle's folder as it lies, committed or not: loaded and run without git, store and history.

Nothing is written into the folder. What a job keeps in its state is forgotten with this object.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.answers.job_set import Candidate
from chalicelib.errors import BundleError, JobSpecError, UnknownJobError
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from chalicelib.model.runs import Run
from chalicelib.settings import Settings
from sauron_jobs_loader.bundle_folder import MANIFEST, bundle_folder
from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.launch.launcher import Attempt, Launcher

from .attempt_request import attempt_request
from .candidates import candidate_of
from .job_environment import JobEnvironment
from .revision_loader import loaded

NAME = "working-tree"  # stands for a revision
INSTALL_TIMEOUT = timedelta(minutes=10)


def environments(**options: Any) -> Environments:
    """Return the environments of working trees, which are kept in the user's own cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Environments(cache / "sauron" / "environments", timeout=INSTALL_TIMEOUT, **options)


def folder_of(top: Path, settings: Settings) -> Path:
    """Return the folder of the bundle in `top`: itself if it has a manifest, else JOBS_GIT_SUBDIR.

    Raises BootError if there is no manifest.
    """
    return bundle_folder(top, None if (top / MANIFEST).is_file() else settings.jobs_git_subdir)


class WorkingTree:
    """Finds the jobs of a folder and starts attempts of them. `close` ends its processes."""

    def __init__(self, top: Path, settings: Settings, *, now: Callable[[], datetime]) -> None:
        """Load the folder. Raises LoaderError if it cannot be loaded."""
        self._now = now
        self._environment = JobEnvironment(settings)
        self._zygote_environ = {**self._environment.zygote(), "PYTHONDONTWRITEBYTECODE": "1"}
        self._launcher = Launcher(grace=settings.kill_grace, boot_timeout=settings.load_timeout)
        self._state: dict[str, Any] = {}
        try:
            self._folder = folder_of(top, settings)
            self._python = environments(
                environ=self._environment.installer(), variables=self._environment.zygote()
            ).python(self._folder)
            self._bundle = self._launcher.boot(NAME, self._folder, self._zygote_environ, python=self._python)
        except BaseException:
            self.close()
            raise
        self._environment.learn(
            str(secret["key"]) for record in self._bundle.jobs for secret in record["secrets"] or ()
        )

    def candidate(self) -> Candidate:
        """Return what the folder defines, for a plan or a simulation."""
        from sauron_jobs_loader.checks import all_checks
        from sauron_jobs_loader.checks.tree import BundleTree
        from sauron_jobs_loader.launch.process_tree_handle import with_programs
        from sauron_jobs_loader.launch.remarks import of_loading

        path = with_programs(self._zygote_environ, self._python).get("PATH", "")
        tree = BundleTree.working_copy(self._folder, self._bundle.jobs, self._bundle.files, path)
        told = [*of_loading(self._bundle), *all_checks.remarks(tree)]
        return candidate_of(str(self._folder), loaded(self._bundle, told, self._environment.masker()))

    def find(self, job_id: str) -> Job:
        """Return a job of the folder. Raises JobSpecError if it is rejected, UnknownJobError."""
        for one in self._bundle.rejected:
            if one.job_id == job_id:
                raise _rejected(job_id, one.place, one.reason)
        record = next((record for record in self._bundle.jobs if record["id"] == job_id), None)
        if record is None:
            known = [str(record["id"]) for record in self._bundle.jobs]
            raise UnknownJobError(job_id, difflib.get_close_matches(job_id, known, n=2) or known[:5])
        spec = JobSpec.from_record(record)
        try:
            spec.check()
        except JobSpecError as error:
            raise _rejected(job_id, spec.place, str(error)) from None
        return Job(
            spec=spec,
            source=BUNDLE,
            revision=NAME,
            enabled=spec.enabled,
            override=None,
            cursor=self._now(),
            next_fire_at=None,
            rejected=None,
            removed_at=None,
        )

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt. Raises BundleError, also if a required secret is not set."""
        request = attempt_request(
            self._environment,
            run,
            spec,
            sha=NAME,
            folder=self._folder,
            python=self._python,
            zygote_environ=self._zygote_environ,
        )
        try:
            return self._launcher.start(request)
        except LoaderError as error:
            raise BundleError(self._environment.masker().text(str(error))) from None

    def params_faults(self, job: Job, params: Mapping[str, Any]) -> list[str] | None:
        """Return what the model of a job's params says of these."""
        return self._launcher.params_faults(
            NAME, self._folder, self._zygote_environ, python=self._python, job_id=job.id, params=params
        )

    def job_state(self, job_id: str, act: str, key: str | None, value: Any) -> Any:
        """Serve what a job asks of its state (get, set, delete, keys), from memory."""
        if act == "sauron":
            raise PermissionError(f"this process does not serve what {job_id!r} asks for")
        if act == "keys" or key is None:
            return sorted(self._state)
        if act == "get":
            return self._state[key]
        if act == "delete":
            del self._state[key]
        else:
            self._state[key] = value
        return None

    def close(self) -> None:
        """End every process of the folder."""
        self._launcher.close()


def _rejected(job_id: str, place: str, reason: str) -> JobSpecError:
    return JobSpecError(f"Job {job_id!r} ({place}) is rejected: {reason}", job_id=job_id)
