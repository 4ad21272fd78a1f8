"""Sets of jobs for plans and simulations, without a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.answers.job_set import Candidate, InForce, Member
from chalicelib.answers.plan import plan
from chalicelib.model.jobs import BUILTIN, BUNDLE, Job, JobSpec, Override
from chalicelib.model.runs import JobId
from tests.conftest import job_record

START = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40


def member(record: Mapping[str, Any], **more: Any) -> Member:
    """A job in force."""
    return Member(JobSpec.from_record(record), more.pop("source", BUNDLE), **more)


def in_force(*jobs: Member, gone: Collection[Job] = ()) -> InForce:
    """These jobs, and the builtin ones that a test names."""
    return InForce({job.id: job for job in jobs}, {job.id: job for job in gone}, OLD)


def candidate(*records: Mapping[str, Any], **more: Any) -> Candidate:
    """A revision with these jobs."""
    return Candidate(to=NEW, jobs=records, **more)


def planned(new: Candidate, now: InForce, *, days: int = 3, missing: Any = lambda _spec: []) -> Any:
    """The plan of a revision."""
    return plan(new, now, start=START, days=days, missing=missing)


def changes(found: Any) -> dict[str, str]:
    """What becomes of each job that changes."""
    return {one["job_id"]: one["change"] for one in found["jobs"]}


def off(until: datetime | None = None, *, enabled: bool = False) -> Override:
    """An operator's override."""
    return Override(enabled, "moving house", "ada", START, until)


def builtin(job_id: str = "sauron.health", cron: str = "*/15 * * * *") -> Member:
    """A job that Sauron brings along."""
    return member(job_record(job_id, cron), source=BUILTIN)


def job_id(text: str) -> JobId:
    """A job's id."""
    return JobId(text)
