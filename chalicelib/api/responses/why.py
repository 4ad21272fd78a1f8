"""The shape of why a job ran or did not."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from .base import JobId, Returned, RunId, Sha


class Schedule(Returned):
    """The schedule that was in force at that time."""

    cron: str
    timezone: str
    text: str | None = Field(description="The schedule in words.")


class Enabled(Returned):
    """Whether the job was enabled at that time, and by what."""

    by: Literal["git", "override"]
    enabled: bool
    who: str | None = Field(description="Who switched it.")
    reason: str | None
    since: datetime | None
    until: datetime | None = Field(description="When the switch ends by itself.")


class Fact(Returned):
    """Something that happened, or was so, at an instant."""

    at: datetime
    what: str


class Why(Returned):
    """Why a job ran, did not run, or will or will not run."""

    job_id: JobId
    at: datetime = Field(description="The instant that the answer is about.")
    answer: Literal[
        "ran",
        "running",
        "queued",
        "skipped",
        "missed",
        "due",
        "not_due",
        "disabled",
        "paused",
        "rejected",
        "not_yet_defined",
        "removed",
    ]
    sentence: str = Field(description="The cause and the next step, for people.")
    occurrence: datetime | None = Field(description="The fire time that was found; null if there is none.")
    run: RunId | None
    schedule: Schedule
    revision: Sha | None
    enabled: Enabled
    previous: datetime | None = Field(description="The fire time before.")
    next: datetime | None = Field(description="The fire time after.")
    facts: list[Fact] = Field(description="What it was found by, in the order of time.")
