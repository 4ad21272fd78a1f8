"""Jobs as values: what a bundle defines (`JobSpec`) and what the registry holds (`Job`).

A `JobSpec` is built from the record of a booted bundle and holds no state. `check` refuses it as a
whole if its schedule cannot be kept: the good jobs of a manifest load without the bad one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.cron.describe import describe
from chalicelib.cron.schedule import Schedule
from chalicelib.errors import JobSpecError, ScheduleError

from .backoff import stable_fraction
from .params import faults, schema_fault
from .runs import JobId

BUNDLE = "bundle"
BUILTIN = "builtin"
BUILTIN_PREFIX = "sauron."  # ids that begin so are Sauron's own
BACKUP_JOB = "sauron.backup"  # copies an SQLite store


class Overlap(StrEnum):
    """What an occurrence does while a run of its job is running, or queued and due. A trigger waits."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class Catchup(StrEnum):
    """Which occurrences missed while Sauron was down are run afterwards."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job's definition and policies, as its bundle or Sauron itself declares them."""

    id: JobId
    cron: str
    timezone: str
    enabled: bool
    timeout: timedelta
    max_attempts: int
    tags: tuple[str, ...]
    project: str | None
    description: str
    queue_mode: bool
    secrets: tuple[Mapping[str, Any], ...] | None
    jitter: timedelta
    overlap: Overlap
    catchup: Catchup
    catchup_window: timedelta
    catchup_max: int
    retry_backoff: timedelta
    alert_after: int
    params_schema: Mapping[str, Any] | None
    params_of_model: bool
    renamed_from: JobId | None
    isolation: str
    after: tuple[JobId, ...]
    pool: str | None
    priority: int
    memory_mb: float | None
    max_processes: int | None
    slow_after: timedelta | None
    entrypoint: str
    place: str
    record: Mapping[str, Any]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> JobSpec:
        """Build a spec from the record of a booted bundle, whose keys are the fields of `JobConfig`.

        The schedule is not looked at: see `check`.
        """
        params = record.get("params")
        return cls(
            id=JobId(record["id"]),
            cron=record["cron"],
            timezone=record["timezone"],
            enabled=record["enabled"],
            timeout=timedelta(seconds=record["timeout_seconds"]),
            max_attempts=record["max_attempts"],
            tags=tuple(record["tags"]),
            project=record["project"],
            description=record["description"],
            queue_mode=record["queue_mode"],
            secrets=None if record["secrets"] is None else tuple(record["secrets"]),
            jitter=timedelta(minutes=record["jitter_minutes"]),
            overlap=Overlap(record["overlap"]),
            catchup=Catchup(record["catchup"]),
            catchup_window=timedelta(seconds=record["catchup_window_seconds"]),
            catchup_max=record["catchup_max"],
            retry_backoff=timedelta(seconds=record["retry_backoff_seconds"]),
            alert_after=record["alert_after"],
            params_schema=params["schema"] if params else None,
            params_of_model=bool(params and params.get("model")),
            renamed_from=JobId(record["renamed_from"]) if record["renamed_from"] else None,
            isolation=record["isolation"],
            after=tuple(JobId(parent) for parent in record.get("after") or ()),
            pool=record.get("pool"),
            priority=record.get("priority", 0),
            memory_mb=record.get("memory_mb"),
            max_processes=record.get("max_processes"),
            slow_after=None
            if (slow := record.get("slow_after_seconds")) is None
            else timedelta(seconds=slow),
            entrypoint=record["entrypoint"],
            place=record["place"],
            record=record,
        )

    def check(self) -> None:
        """Raise JobSpecError for a reserved id, a refused schedule or params, or too long a jitter."""
        if self.builtin:
            raise JobSpecError(
                f"Ids that begin with {BUILTIN_PREFIX!r} are Sauron's own. Choose another id.", job_id=self.id
            )
        try:
            schedule = self.schedule if self.cron else Schedule.parse("0 0 * * *", self.timezone)
        except ScheduleError as error:
            raise JobSpecError(str(error), job_id=self.id) from error
        if self.params_schema is not None:
            self._check_params(self.params_schema)
        if self.jitter and not self.cron:
            raise JobSpecError(
                "jitter_minutes delays the occurrences of a cron, and this job has none. Remove it.",
                job_id=self.id,
            )
        if self.jitter and self.jitter >= (interval := schedule.shortest_interval()):
            raise JobSpecError(
                f"jitter_minutes={self.record['jitter_minutes']} is not shorter than the interval of"
                f" {self.cron!r} ({interval}). Write fewer minutes.",
                job_id=self.id,
            )

    def _check_params(self, schema: Mapping[str, Any]) -> None:
        """Raise JobSpecError for a schema that is not valid, or that the schedule's own runs do not fit.

        A model was asked about them when its bundle was loaded.
        """
        if fault := schema_fault(schema):
            raise JobSpecError(fault, job_id=self.id)
        if not self.params_of_model and (found := faults(schema, {})):
            raise JobSpecError(
                f"the schedule would run with params that do not fit: {'; '.join(found)}."
                " Give what is required a default that fits.",
                job_id=self.id,
            )

    @property
    def builtin(self) -> bool:
        """Whether Sauron itself brings this job along."""
        return self.id.startswith(BUILTIN_PREFIX)

    @property
    def schedule(self) -> Schedule:
        """The pure schedule of this job. A job without cron has none: its `cron` is an empty text."""
        return Schedule.parse(self.cron, self.timezone)

    @property
    def schedule_text(self) -> str:
        """When the job runs, in English: `every minute (UTC)`, `after backup`. Raises ScheduleError."""
        return in_words(describe(self.cron, self.timezone) if self.cron else "", self.after)

    @property
    def cron_text(self) -> str:
        """The cron schedule in English without its zone, "" if there is none. Raises ScheduleError."""
        return describe(self.cron, self.timezone).removesuffix(f" ({self.timezone})") if self.cron else ""

    @property
    def definition_hash(self) -> str:
        """A hash of everything the author wrote (not of the place where it was written)."""
        written = {key: value for key, value in self.record.items() if key != "place"}
        return hashlib.sha256(json.dumps(written, sort_keys=True, default=str).encode()).hexdigest()

    def due_at(self, fire_at: datetime) -> datetime:
        """Return when an occurrence may start: its fire time plus its jitter, a stable share of the job's."""
        if not self.jitter:
            return fire_at
        return fire_at + self.jitter * stable_fraction(self.id)


def in_words(cron: str, after: Sequence[str]) -> str:
    """Say when a job runs: `cron` in words, "" if it has no schedule, and the jobs that it follows."""
    follows = f"after {' and '.join(after)}" if after else ""
    return ", and ".join(filter(None, (cron, follows)))


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's switch. It wins over git until `until` (None: until the opposite switch clears it)."""

    enabled: bool
    reason: str | None
    by: str | None
    at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the registry holds it.

    `enabled` is in force now (override over git). `cursor` is the instant up to which occurrences were
    accounted for. `next_fire_at` is the first fire time after the cursor and None while the job is off or
    gone. `rejected` says why the newest definition was refused; the earlier definition is then still what
    `spec` holds.
    """

    spec: JobSpec
    source: str
    revision: str | None
    enabled: bool
    override: Override | None
    cursor: datetime
    next_fire_at: datetime | None
    rejected: str | None
    removed_at: datetime | None

    @property
    def id(self) -> JobId:
        """The job's id."""
        return self.spec.id

    def next_fires(self, *, now: datetime, count: int) -> list[datetime]:
        """Return the next fire times after now; none while the job is off, rejected or removed.

        Raises ScheduleError.
        """
        if not self.enabled or self.removed_at is not None or self.rejected is not None or not self.spec.cron:
            return []
        fires: list[datetime] = []
        while len(fires) < count:
            fires.append(self.spec.schedule.after(fires[-1] if fires else now))
        return fires
