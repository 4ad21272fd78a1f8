"""The shapes of runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from chalicelib.model.runs import Origin, Outcome, RunState

from .base import JobId, Page, Returned, RunId


class Usage(Returned):
    """What an attempt's processes used when that was last stored; it is every ten seconds or so."""

    seconds: float = Field(description="How long the attempt had run then.")
    memory_mb: float = Field(description="Memory of all its processes in MiB, shared pages counted once.")
    peak_mb: float = Field(description="The largest of all its measurements of memory.")
    processors: float = Field(
        description="Busy processors since the measurement before: 1 is one of them, all the time."
    )
    programs: list[str] = Field(description="At most eight of those that ran, beside the job's Python.")


class Attempt(Returned):
    """One numbered try of a run."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None = Field(description="Null while it runs.")
    runner: str
    exit_code: int | None
    signal: int | None
    error: str | None
    error_type: str | None
    max_rss_kb: int | None
    cpu_seconds: float | None
    usage: Usage | None = Field(description="Null if it was not measured: it took a few seconds.")


class Gap(Returned):
    """Several missed occurrences in one row: the first, the last, how many."""

    from_: datetime = Field(alias="from")
    to: datetime | None
    count: int


class WaitingFor(Returned):
    """A pool without room: how many runs of it are running, and how many may."""

    pool: str
    running: int
    size: int


class Run(Returned):
    """A run: the record that one execution was asked for, by an occurrence or by a person."""

    id: RunId
    job_id: JobId
    state: RunState
    origin: Origin
    scheduled_for: datetime = Field(
        description="Its fire time, that of its chain, or the time of its trigger."
    )
    due_at: datetime = Field(description="When it may start: jitter and backoff move it.")
    attempt: int = Field(description="How many attempts were started.")
    max_attempts: int
    revision: str | None
    params: dict[str, Any] | None
    requested_by: str | None
    reason: str | None
    force: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: float | None = Field(description="What the job says of itself, 0 to 1.")
    progress_note: str | None
    progress_at: datetime | None = Field(description="Since when it says that; null if that is not known.")
    cancel_reason: str | None
    error: str | None
    error_type: str | None
    gap: Gap | None
    pool: str | None
    priority: int
    parents: dict[str, str] = Field(description="Of a chain: the run of each job that it followed.")
    waiting_for: WaitingFor | None = Field(description="The full pool that a due run waits for.")
    runner: str | None = Field(description="The runner that executes it.")
    result: Any = Field(description="What the job returned.")
    attempts: list[Attempt]


class RunPage(Page):
    """A page of runs, from the newest to the oldest."""

    runs: list[Run]


class Cancelled(Run):
    """A run that was cancelled, or whose runner was told to stop it."""

    run_id: RunId


class Retried(Returned):
    """A new run with the params of a finished one."""

    run_id: RunId
    job_id: JobId
    retry_of: RunId
