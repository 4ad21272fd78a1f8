"""The shapes of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from chalicelib.model.jobs import Catchup, Overlap
from chalicelib.model.runs import RunState

from .base import JobId, Page, Returned, RunId


class Override(Returned):
    """An operator's enabling or disabling of a job. It outlives syncs and restarts."""

    enabled: bool
    reason: str | None
    by: str | None = Field(description="The name of the token; null while the API is open.")
    at: datetime
    until: datetime | None = Field(description="When it ends by itself.")


class LastRun(Returned):
    """The run of a job that started last."""

    id: RunId
    state: RunState
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


class Job(Returned):
    """A job."""

    id: JobId
    cron: str = Field(
        description="Five fields or a name; empty if it only follows others.",
        examples=["0 8 * * *"],
    )
    enabled: bool = Field(description="Whether it fires: what the bundle says, or an operator's override.")
    source: str = Field(description="`bundle` or `builtin`.")
    rejected: str | None = Field(description="Why its newest definition cannot be used.")
    timeout_seconds: int
    max_attempts: int
    tags: list[str]
    project: str | None
    description: str
    timezone: str = Field(description="An IANA zone.", examples=["Europe/Berlin"])
    schedule_text: str = Field(description="The schedule in words.")
    after: list[JobId] = Field(description="The jobs that it follows.")
    next_run_at: datetime | None
    last_run: LastRun | None
    override: Override | None


class JobPage(Page):
    """A page of jobs, by id."""

    jobs: list[Job]


class Durations(Returned):
    """How many seconds good runs took, retries and the waits between them included."""

    count: int
    median_seconds: float | None
    max_seconds: float | None


class JobInFull(Job):
    """A job with its policies, its next runs, and how its newest executed runs ended."""

    overlap: Overlap
    catchup: Catchup
    catchup_max: int
    catchup_window_seconds: int
    alert_after: int
    queue_mode: bool
    isolation: str
    jitter_minutes: int
    retry_backoff_seconds: int
    pool: str | None = Field(description="At most the pool's size of its runs are running at once.")
    priority: int = Field(description="Due runs of a higher priority start first: -10 to 10.")
    memory_mb: float | None
    max_processes: int | None
    slow_after_seconds: float | None
    renamed_from: str | None
    params_schema: dict[str, Any] | None = Field(description="The JSON Schema of a trigger's `params`.")
    entrypoint: str
    place: str = Field(description="Where the bundle defines it: file and line.")
    revision: str | None = Field(description="The revision that its definition comes from.")
    removed_at: datetime | None
    next_runs: list[datetime] = Field(description="The next five fire times.")
    success_rate: float | None = Field(description="The share of its newest runs that ended well, 0 to 1.")
    durations: Durations
    runs_counted: int = Field(description="How many runs the rate and the durations are taken from.")
    enabled_in_bundle: bool
    secrets: list[str] | None = Field(description="The names of its secrets; null: the whole environment.")


class Triggered(Returned):
    """A run that was queued. It is stored before this is sent."""

    job_id: JobId
    queued: bool
    queue_id: RunId
    message: str


class Switched(Returned):
    """A job that was enabled or disabled."""

    job_id: JobId
    enabled: bool
    override: Override | None
