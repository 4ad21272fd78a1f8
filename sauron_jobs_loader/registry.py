"""The jobs that a manifest registers: `JobConfig` is one, `job_registry` holds them all.

A fault in one job never stops a manifest: `JobConfig` accepts any value, `register` checks it, and a job with
a fault is left out with its id, the place of its definition and the reason. The first of two jobs with one id
is kept. Cron expressions and zones are only checked to be text here; the application reads them.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import definition, job_parameter
from .errors import DefinitionError

_OWN_FOLDER = __file__.rpartition("/")[0]
_log = logging.getLogger(__name__)


@dataclass
class JobConfig:
    """One job: what it runs, when, and its policies. docs/jobs.md describes the fields.

    The first fields have the order that they had in the earlier system, for those who give them by position.
    """

    id: str
    cron: str = ""
    func: Callable[..., Any] | None = None
    enabled: bool = True
    timeout_seconds: float = 300
    max_attempts: int = 3
    tags: Sequence[str] = field(default_factory=list)
    project: str | None = None
    description: str = ""
    queue_mode: bool = True
    secrets: Sequence[str | dict[str, Any]] | None = None
    command: Sequence[str] | None = None
    jitter_minutes: float = 0
    timezone: str = "UTC"
    overlap: str = "skip"
    catchup: str = "latest"
    catchup_window_seconds: float = 86400
    catchup_max: int = 100
    retry_backoff_seconds: float = 60
    alert_after: int = 1
    params: Any = None
    renamed_from: str | None = None
    isolation: str = "fork"
    after: Sequence[str] | None = None
    pool: str | None = None
    priority: int = 0
    memory_mb: float | None = None
    max_processes: int | None = None
    slow_after_seconds: float | None = None

    # editors and mypy see the fields above; at run time no value that is given here raises
    if not TYPE_CHECKING:

        def __init__(self, *args: Any, **fields: Any) -> None:
            known = dataclasses.fields(type(self))
            for entry, value in zip(known, args, strict=False):
                fields.setdefault(entry.name, value)
            self._given = frozenset(fields)
            for entry in known:
                default = entry.default_factory() if entry.name == "tags" else entry.default
                setattr(
                    self,
                    entry.name,
                    fields.pop(entry.name, None if default is dataclasses.MISSING else default),
                )
            self._surplus = dict(fields)
            self._place = caller()

    @property
    def place(self) -> str:
        """File and line of the definition, relative to the bundle."""
        return str(getattr(self, "_place", "?"))

    @property
    def wants_context(self) -> bool:
        """Whether `func` takes a JobContext; found out once, before attempts are forked."""
        known: bool | None = getattr(self, "_wants_context", None)
        if known is None:
            known = self.func is not None and job_parameter.takes_context(self.func)
            self._wants_context = known
        return known

    def faults(self) -> list[str]:
        """Return the faults of this definition, each a sentence with what to write instead."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        unknown = definition.unknown_fields(getattr(self, "_surplus", {}), values)
        return [*unknown, *definition.faults(values, getattr(self, "_given", ()))]

    def remarks(self) -> list[tuple[str, int, str, str]]:
        """Return what its author likely did not mean: (file, line, text, cure) each."""
        found = job_parameter.remark(self.func) if self.func is not None else None
        file, _, line = self.place.rpartition(":")
        return [(file, int(line) if line.isdecimal() else 1, *found)] if found else []

    def record(self) -> dict[str, Any]:
        """Return a job without faults as JSON data: every field but `func`, plus `entrypoint` and `place`."""
        values = {
            entry.name: getattr(self, entry.name)
            for entry in dataclasses.fields(self)
            if entry.name != "func"
        }
        return {
            **definition.plain(values),
            "entrypoint": definition.entrypoint(self.func, self.command),
            "place": self.place,
        }


class Rejected(NamedTuple):
    """A job that was left out."""

    job_id: str
    place: str
    reason: str


class JobRegistry:
    """The jobs of one manifest, in the order of their registration."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobConfig] = {}
        self._rejected: list[Rejected] = []

    def register(self, config: object) -> bool:
        """Add a job, or leave it out with the reason; return whether it was added.

        It never raises, so the rest of the manifest is read.
        """
        place = getattr(config, "_place", None) or caller()
        if not isinstance(config, JobConfig):
            self.reject(
                "?",
                place,
                f"register() got a {type(config).__name__} instead of a JobConfig. "
                "Write register(JobConfig(...)).",
            )
            return False
        job_id = definition.shown_id(config.id)
        try:
            faults = config.faults()
        except Exception as error:  # noqa: BLE001 - a value of a manifest may run any code
            faults = [f"its definition cannot be read: {type(error).__name__}: {error}"]
        if faults:
            self.reject(job_id, place, " ".join(faults))
        elif (first := self._jobs.get(job_id)) is not None:
            self.reject(
                job_id,
                place,
                f"the job at {first.place} has the id {job_id!r} already, and the first is kept. "
                "Choose another id.",
            )
        else:
            self._jobs[job_id] = config
            _ = config.wants_context
            return True
        return False

    def unregister(self, job_id: str) -> bool:
        """Take a registered job back; return whether it was registered."""
        return self._jobs.pop(job_id, None) is not None

    def enable(self, job_id: str) -> bool:
        """Let a registered job be enabled in the bundle; return whether it is registered."""
        return self._switch(job_id, enabled=True)

    def disable(self, job_id: str) -> bool:
        """Let a registered job be disabled in the bundle; return whether it is registered."""
        return self._switch(job_id, enabled=False)

    def _switch(self, job_id: str, *, enabled: bool) -> bool:
        if job_id in self._jobs:
            self._jobs[job_id].enabled = enabled
        return job_id in self._jobs

    def snapshot_jobs(self) -> dict[str, str]:
        """Return the cron expression of every registered job by its id."""
        return {job_id: config.cron for job_id, config in self._jobs.items()}

    def reject(self, job_id: str, place: str, reason: str) -> None:
        """Record and log a job that is left out."""
        self._rejected.append(Rejected(job_id, place, reason))
        _log.warning("job %s at %s is left out: %s", job_id, place, reason)

    def get(self, job_id: str) -> JobConfig | None:
        """Return a registered job."""
        return self._jobs.get(job_id)

    def require(self, job_id: str) -> JobConfig:
        """Return a registered job. Raises DefinitionError with the reason if it is not registered."""
        if config := self._jobs.get(job_id):
            return config
        for rejected in self._rejected:
            if rejected.job_id == job_id:
                raise DefinitionError(
                    f"Job {job_id!r} is left out of this revision: {rejected.reason} ({rejected.place})"
                )
        raise DefinitionError(f"This revision's manifest registers no job {job_id!r}.")

    def list_jobs(self, enabled_only: bool = False) -> list[JobConfig]:
        """Return the registered jobs."""
        return [config for config in self._jobs.values() if config.enabled or not enabled_only]

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The jobs that were left out."""
        return tuple(self._rejected)


def caller() -> str:
    """Return file and line of the nearest frame outside of the loader."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack reads every source file of the stack
    while frame.f_back and frame.f_code.co_filename.rpartition("/")[0] == _OWN_FOLDER:
        frame = frame.f_back
    return shown_place(frame.f_code.co_filename, frame.f_lineno)


def shown_place(filename: str, line: int) -> str:
    """Return a place as `file:line`, the file relative to the current folder if it is below."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 - no pathlib in the forked process
    return f"{filename.removeprefix(here)}:{line}"


job_registry = JobRegistry()
"""The registry of the manifest that this process loads."""
