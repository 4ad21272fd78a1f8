"""How each job is, at one look: what is wrong with it first, whatever else is true of it.

What is wrong is what the open incidents say, so that pages, `/status` and alerts never disagree.
A job has one health. Of several that apply it is the worst, in the order of `Health`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, RunState
from chalicelib.store import history, incidents, past_runs
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident

DEEPEST = 3  # steps below a job without a parent that are told apart


class Health(StrEnum):
    """How a job is, the worst first."""

    FAILING = "failing"  # as often in a row as its `alert_after` says
    LATE = "late"  # an occurrence is due and has not started
    DEGRADED = "degraded"  # its last run says that not all is well
    MISSED = "missed"  # occurrences passed while nothing could run, and none ran since
    REJECTED = "rejected"  # its newest definition was left out
    OFF = "off"  # git or a person switched it off
    RUNNING = "running"
    WELL = "well"


@dataclass(frozen=True, slots=True)
class JobHealth:
    """How one job is. `incidents` are its open ones, by kind.

    `last_state` is that of the run that started last, where the health may depend on it; `last` is that run,
    once `with_last_runs` has read it.
    """

    job: Job
    health: Health
    last_state: RunState | None
    incidents: Mapping[str, Incident]
    last: Run | None = None

    @property
    def mark(self) -> str:
        """The shape to draw: that of its health, but a failure shows how it failed."""
        if self.health is Health.FAILING:
            timed_out = self.last_state is RunState.TIMED_OUT
            return RunState.TIMED_OUT if timed_out else RunState.FAILED
        return self.health

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look at it. What git switches off needs nobody."""
        if self.health is Health.OFF:
            return self.job.override is not None
        return self.health not in {Health.RUNNING, Health.WELL}


def failing(tx: Tx) -> int:
    """Return how many jobs fail, without looking at the others."""
    red = {one.subject for one in incidents.open_incidents(tx) if one.kind == Health.FAILING}
    return len(red)


def healths(tx: Tx, jobs: Sequence[Job], *, now: datetime) -> list[JobHealth]:
    """Return how these jobs are: the least healthy first, then by what fires next; off in git comes last."""
    by_job: dict[str, dict[str, Incident]] = {}
    for incident in incidents.open_incidents(tx):
        if incident.job_id is not None:
            by_job.setdefault(incident.job_id, {})[incident.kind] = incident
    looked_at = [jobs[0].id] if len(jobs) == 1 else sorted(past_runs.running_or_degraded(tx).union(by_job))
    last = past_runs.last_states(tx, looked_at)
    found = [_of(job, last.get(job.id), by_job.get(job.id, {})) for job in jobs]
    order = {health: place for place, health in enumerate(Health)}
    order[Health.RUNNING] = order[Health.WELL]
    far = now.replace(year=9999)

    def place(one: JobHealth) -> tuple[int, datetime, str]:
        off_in_git = one.health is Health.OFF and not one.needs_a_person  # as well as it is to be
        return len(order) if off_in_git else order[one.health], one.job.next_fire_at or far, one.job.id

    return sorted(found, key=place)


def with_last_runs(tx: Tx, found: Sequence[JobHealth]) -> list[JobHealth]:
    """Return the same with the run that each job started last: read it for what is shown, never for all."""
    last = history.last_runs(tx, [one.job.id for one in found])
    return [replace(one, last=last.get(one.job.id)) for one in found]


def families(found: Sequence[JobHealth]) -> list[tuple[JobHealth, int]]:
    """Return these jobs with each that only follows others below the first of them, and how deep it stands.

    One that wants a person keeps its place if what it follows is well.
    """
    known = {one.job.id: one for one in found}
    below: dict[str, list[JobHealth]] = {}
    roots = []
    for one in found:
        parent = next((known[job_id] for job_id in one.job.spec.after if job_id in known), None)
        if parent is None or one.job.spec.cron or (one.needs_a_person and not parent.needs_a_person):
            roots.append(one)
        else:
            below.setdefault(parent.job.id, []).append(one)
    placed: dict[str, tuple[JobHealth, int]] = {}
    waiting = [(one, 0) for one in [*roots, *found][::-1]]  # a circle of old and new definitions has no root
    while waiting:
        one, depth = waiting.pop()
        if one.job.id not in placed:
            placed[one.job.id] = (one, depth)
            waiting += [(child, min(depth + 1, DEEPEST)) for child in below.get(one.job.id, [])[::-1]]
    return list(placed.values())


def _of(job: Job, last: RunState | None, wrong: Mapping[str, Incident]) -> JobHealth:
    return JobHealth(job, _health(job, last, wrong), last, wrong)


def _health(job: Job, state: RunState | None, wrong: Mapping[str, Incident]) -> Health:
    if not job.enabled:
        return Health.OFF
    for health in (Health.FAILING, Health.LATE, Health.MISSED):
        if health in wrong:
            return health
    if state == RunState.DEGRADED:
        return Health.DEGRADED
    if job.rejected is not None:
        return Health.REJECTED
    return Health.RUNNING if state == RunState.RUNNING else Health.WELL
