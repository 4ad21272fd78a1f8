"""The shapes of a plan and of a simulation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from .base import JobId, Returned


class Commit(Returned):
    """A commit between two revisions."""

    sha: str
    subject: str
    author: str
    authored_at: datetime | None


class Example(Returned):
    """An occurrence that appears or vanishes."""

    at: datetime
    what: Literal["appears", "vanishes"]


class JobChange(Returned):
    """What becomes of a job."""

    job_id: JobId
    change: Literal["added", "removed", "rescheduled", "edited", "renamed"]
    before: dict[str, Any] | None = Field(description="The job in force; null if it is added.")
    after: dict[str, Any] | None = Field(description="The job of the revision; null if it is removed.")
    appear: int = Field(description="How many occurrences appear in these days.")
    vanish: int = Field(description="How many occurrences vanish in these days.")
    examples: list[Example]
    note: str | None = Field(description="Why it has other occurrences than its schedule.")


class Busiest(Returned):
    """The fullest minute."""

    at: datetime | None
    runs: int


class HourLoad(Returned):
    """The occurrences of one hour of the day, in UTC."""

    hour: int
    before: int
    after: int


class Loads(Returned):
    """How many occurrences these days have, those of builtin jobs included."""

    before: int
    after: int
    busiest: Busiest
    busiest_before: Busiest
    hours: list[HourLoad]


class Collision(Returned):
    """A minute in which an occurrence that appears meets another job's."""

    at: datetime
    jobs: list[str]


class ClockEffect(Returned):
    """What a change of the clocks does to a job."""

    job_id: JobId
    at: datetime
    what: str


class PlanProblem(Returned):
    """What keeps the revision, or a job of it, from being in force."""

    job_id: str | None
    problem: str
    cure: str


class LackedSecrets(Returned):
    """Secrets that a job requires and that are not set."""

    job_id: JobId
    missing: list[str]


class Plan(Returned):
    """What a revision would change against what is in force. Nothing was activated."""

    from_: str | None = Field(alias="from", description="The revision in force.")
    to: str | None = Field(description="The revision that was compared.")
    since: datetime
    until: datetime
    days: int
    commits: list[Commit] = Field(description="The commits that it brings, the newest first.")
    undone: list[Commit] = Field(description="The commits that it lacks.")
    jobs: list[JobChange]
    load: Loads
    collisions: list[Collision]
    collisions_count: int
    dst: list[ClockEffect]
    dst_count: int
    problems: list[PlanProblem]
    missing_secrets: list[LackedSecrets]
    remarks: list[dict[str, Any]]


class SimulatedRun(Returned):
    """One occurrence in virtual time."""

    job_id: JobId
    fire_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    state: Literal["ran", "skipped", "missed"]
    waited_seconds: float
    reason: str | None


class BusiestInstant(Returned):
    """When most runs were running."""

    at: datetime | None
    running: int


class Summary(Returned):
    """A simulation in numbers; `runs` counts those that ran."""

    runs: int
    skipped: int
    missed: int
    longest_wait_seconds: float
    busiest: BusiestInstant
    busy_share: float = Field(description="The time that runs took, of the workers' time.")


class AssumedDuration(Returned):
    """How long a run of a job was taken to last."""

    job_id: JobId
    seconds: float
    runs: int = Field(description="How many good runs it was taken from.")
    source: Literal["history", "assumed"]


class Simulation(Returned):
    """How the jobs would run."""

    from_: datetime = Field(alias="from")
    to: datetime
    workers: int
    pessimistic: bool
    runs: list[SimulatedRun]
    summary: Summary
    durations: list[AssumedDuration]
    notes: list[str]
