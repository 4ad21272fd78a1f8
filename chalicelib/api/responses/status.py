"""The shapes of what Sauron says of itself."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from .alerts import AlertState
from .base import JobId, Returned
from .bundle import GitSync, Rejection, Remark
from .runners import Runner
from .schedule import Upcoming


class Health(Returned):
    """Whether this process works."""

    status: str = Field(description="`healthy` or `unhealthy`.")
    version: str
    timestamp: datetime


class Ready(Returned):
    """Whether runs can be taken on, with one line for each part: `ready`, or why it is not."""

    ready: bool
    parts: dict[str, str] = Field(description="`store`, `clock`, `workers`, and what the bundle is at.")


class Queue(Returned):
    """How many runs are queued and running."""

    queued: int
    running: int
    claiming: bool = Field(description="False with JOB_QUEUE_ENABLED=0: nothing is started.")


class LastTick(Returned):
    """When due occurrences were last turned into runs."""

    at: datetime | None
    age_seconds: float | None


class Failure(Returned):
    """The last failure of a kind of act, since it last worked."""

    age_seconds: float
    reason: str


class Sign(Returned):
    """When a kind of act last worked, and what failed since."""

    age_seconds: float | None
    failed: Failure | None


class Signs(Returned):
    """When this process last ticked, claimed and wrote with success."""

    tick: Sign
    claim: Sign
    write: Sign


class Outbox(Returned):
    """How far the copy to Life Hub is behind."""

    waiting: int
    oldest_at: datetime | None
    refused: int
    lag_seconds: float
    last_error: str | None
    failing_since: datetime | None
    last_success: datetime | None


class MissingSecrets(Returned):
    """Required secrets of a job that are not set."""

    job_id: JobId
    missing: list[str]


class Paused(Returned):
    """A pause of everything."""

    since: datetime
    by: str | None
    reason: str | None
    until: datetime | None


class PauseState(Returned):
    """Whether everything is paused."""

    paused: Paused | None


class Status(Returned):
    """What an operator wants to know first."""

    scheduler_running: bool = Field(description="Measured: ticks happen.")
    workers_running: bool
    jobs_count: int
    git_sync_status: GitSync
    next_runs: list[Upcoming]
    queue: Queue
    last_tick: LastTick
    last_worked: Signs | None = Field(
        description="What the process that responds measures of itself; null without clock and workers."
    )
    degraded: list[str] = Field(description="What does not work, in sentences; empty when all is well.")
    paused: Paused | None = Field(description="Nothing starts; null when runs start.")
    rejected: list[Rejection]
    remarks: list[Remark] = Field(description="What the author of the active revision should know.")
    outbox: Outbox | None = Field(description="Null without Life Hub.")
    alerts: AlertState
    missing_secrets: list[MissingSecrets]
    runners: list[Runner]
    limits: str = Field(description="How limits of attempts are kept: `cgroup` or `watch`.")
    version: str
    scheduler_name: str
    timestamp: datetime
    api_open: bool = Field(description="No token is needed, because none is configured.")
    warnings: list[str] = Field(description="What an operator should change although Sauron works.")
