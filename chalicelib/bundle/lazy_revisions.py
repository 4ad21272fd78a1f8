"""The bundle's revisions, built when they are first needed.

Answering HTTP needs none of git, environments and processes, so a process that only answers builds none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.execution.running_attempt import Attempt
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.runs import Run

if TYPE_CHECKING:
    from .revisions import Revisions


class LazyRevisions:
    """Builds one `Revisions` at first use. Safe to share between threads, and the launcher of a worker."""

    def __init__(self, build: Callable[[], Revisions]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._built: Revisions | None = None

    @property
    def built(self) -> Revisions | None:
        """The revisions if something has needed them, else None."""
        return self._built

    def get(self) -> Revisions:
        """Return the revisions, building them now if they are not there."""
        with self._lock:
            if self._built is None:
                self._built = self._build()
            return self._built

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt, as `Revisions.start`."""
        return self.get().start(run, spec)

    def prepare(self, count: int) -> None:
        """Have processes ready for attempts, as `Revisions.prepare`, if a revision is loaded."""
        if self._built is not None:
            self._built.prepare(count)

    def rest(self, waiting: timedelta) -> None:
        """End processes that have waited so long for an attempt."""
        if self._built is not None:
            self._built.rest(waiting)

    def params_faults(self, job: Job, params: Mapping[str, Any]) -> list[str] | None:
        """Ask a job's model about params, as `Revisions.params_faults`."""
        return self.get().params_faults(job, params)

    def stop_installing(self) -> None:
        """End an installation of requirements that is under way, and begin none any more."""
        if self._built is not None:
            self._built.stop_installing()

    def close(self) -> None:
        """End every process of the bundle."""
        if self._built is not None:
            self._built.close()
