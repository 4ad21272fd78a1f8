"""Sets of jobs to compare or to simulate: those in force, and those of a revision or folder if it were.

A candidate's set keeps what activating it would keep: the builtin jobs, the operators' overrides, and the
former definition of a job whose new one is rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from chalicelib.cron.minutes import Minutes
from chalicelib.model.jobs import BUILTIN, BUNDLE, Job, JobSpec, Override
from chalicelib.model.runs import JobId
from chalicelib.store import registry
from chalicelib.store.database import Tx


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision, or a folder as it lies, that could become the one in force. All of it can be JSON.

    `to` is the full commit id or the folder. `jobs` are the records of the good definitions, `rejected` the
    others as {job_id, place, reason}. `commits` are those between the revision in force and this one, the
    newest first, as {sha, author, date, subject}; `undone` those that it lacks. `fault` says why the manifest
    does not load; then there are no jobs.
    """

    to: str
    jobs: Sequence[Mapping[str, Any]] = ()
    rejected: Sequence[Mapping[str, Any]] = ()
    remarks: Sequence[Mapping[str, Any]] = ()
    commits: Sequence[Mapping[str, Any]] = ()
    undone: Sequence[Mapping[str, Any]] = ()
    fault: str | None = None


class Candidates(Protocol):
    """Where candidates come from."""

    def candidate(self, ref: str | None) -> Candidate:
        """Load a branch, tag or commit (None: the newest of the followed branch); activate nothing.

        Raises UnknownRefError, and BundleError for what cannot be fetched.
        """


@dataclass(frozen=True, slots=True)
class Member:
    """A job in a set: its definition, who brings it, and what keeps it from running."""

    spec: JobSpec
    source: str
    override: Override | None = None
    rejected: str | None = None

    @property
    def id(self) -> JobId:
        """The job's id."""
        return self.spec.id

    @property
    def builtin(self) -> bool:
        """Whether Sauron itself brings the job along."""
        return self.source == BUILTIN

    def enabled(self, at: datetime) -> bool:
        """Return whether the job is on at an instant: an operator's override wins until it ends."""
        override = self.override
        if override is not None and (override.until is None or at < override.until):
            return override.enabled
        return self.spec.enabled

    def occurrences(self, minutes: Minutes) -> int:
        """Return the minutes in which the job fires while it is on, rejected or not.

        Raises ScheduleError for a zone that this machine no longer has.
        """
        if not self.spec.cron:
            return 0  # its runs are those of the jobs that it follows
        fires = minutes.of(self.spec.schedule)
        until = self.override.until if self.override else None
        if until is None:
            return fires if self.enabled(minutes.start) else 0
        on = 0
        if self.enabled(minutes.start):
            on = minutes.part(minutes.start, min(until, minutes.end))
        if self.spec.enabled:
            on |= minutes.part(max(until, minutes.start), minutes.end)
        return fires & on

    def runs(self, minutes: Minutes) -> int:
        """Return the minutes of the occurrences that are to run: none of a job that is rejected."""
        return 0 if self.rejected is not None else self.occurrences(minutes)


JobSet = Mapping[JobId, Member]


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force: the jobs, and what is known of those that left."""

    jobs: JobSet
    gone: Mapping[JobId, Job]
    sha: str | None

    @property
    def of_bundle(self) -> set[JobId]:
        """The ids of the bundle's jobs."""
        return {job_id for job_id, member in self.jobs.items() if member.source == BUNDLE}


def in_force(tx: Tx, sha: str | None) -> InForce:
    """Read the jobs in force; `sha` is the active revision."""
    known = registry.all_jobs(tx, removed=True)
    return InForce(
        {
            job.id: Member(job.spec, job.source, job.override, job.rejected)
            for job in known
            if job.removed_at is None
        },
        {job.id: job for job in known if job.removed_at is not None},
        sha,
    )


def renames(found: Mapping[JobId, JobSpec], now: InForce) -> dict[JobId, JobId]:
    """Return the new ids of jobs that carry a former job's history on, with the former ids."""
    ours = now.of_bundle
    return {
        spec.id: spec.renamed_from
        for spec in found.values()
        if spec.renamed_from in ours
        and spec.renamed_from not in found
        and spec.id not in now.jobs
        and spec.id not in now.gone
    }


def after(candidate: Candidate, now: InForce) -> dict[JobId, Member]:
    """Return the jobs that would be in force, had the candidate been activated."""
    found = specs(candidate)
    former, ours = renames(found, now), now.of_bundle
    jobs = {member.id: member for member in now.jobs.values() if member.builtin}
    for spec in found.values():
        known = now.jobs.get(former.get(spec.id, spec.id)) or now.gone.get(spec.id)
        jobs[spec.id] = Member(spec, BUNDLE, known.override if known else None)
    for job_id, reason in _refusals(candidate):
        if job_id in ours and job_id not in jobs and job_id not in former.values():
            jobs[job_id] = replace(now.jobs[job_id], rejected=reason)
    return jobs


def specs(candidate: Candidate) -> dict[JobId, JobSpec]:
    """Return the good definitions of a candidate."""
    return {spec.id: spec for spec in map(JobSpec.from_record, candidate.jobs)}


def _refusals(candidate: Candidate) -> Iterator[tuple[JobId, str]]:
    for one in candidate.rejected:
        yield JobId(str(one["job_id"])), str(one["reason"])
