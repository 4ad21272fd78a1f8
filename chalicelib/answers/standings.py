"""How each job stands, at one look: what is wrong with it first, whatever else is true of it.

What is wrong is what the open incidents say, so that pages, `/status` and alerts never disagree.
A job has one standing. Of several that apply it is the most harmful one, in the order of `Standing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, RunState
from chalicelib.store import history, incidents
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident


class Standing(StrEnum):
    """How a job stands, the most harmful first."""

    FAILING = "failing"  # as often in a row as its `alert_after` says
    LATE = "late"  # an occurrence is due and has not started
    DEGRADED = "degraded"  # its last run says that not all is well
    MISSED = "missed"  # occurrences passed while nothing could run, and none ran since
    REJECTED = "rejected"  # its newest definition was left out
    OFF = "off"  # git or a person switched it off
    RUNNING = "running"
    WELL = "well"


@dataclass(frozen=True, slots=True)
class Stand:
    """One job's standing. `incidents` are its open ones, by kind; `last` is the run that started last."""

    job: Job
    standing: Standing
    last: Run | None
    incidents: Mapping[str, Incident]

    @property
    def mark(self) -> str:
        """The shape to draw: the standing's, but a failure shows how it failed."""
        if self.standing is Standing.FAILING:
            timed_out = self.last is not None and self.last.state == RunState.TIMED_OUT
            return RunState.TIMED_OUT if timed_out else RunState.FAILED
        return self.standing

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look at it. What git switches off needs nobody."""
        if self.standing is Standing.OFF:
            return self.job.override is not None
        return self.standing not in {Standing.RUNNING, Standing.WELL}


def failing(tx: Tx) -> int:
    """Return how many jobs fail, without looking at the others."""
    red = {one.subject for one in incidents.open_incidents(tx) if one.kind == Standing.FAILING}
    return len(red)


def standings(tx: Tx, jobs: Sequence[Job], *, now: datetime) -> list[Stand]:
    """Return how these jobs stand: the most harmful standing first, then by what fires next."""
    last = history.last_runs(tx, [job.id for job in jobs])
    by_job: dict[str, dict[str, Incident]] = {}
    for incident in incidents.open_incidents(tx):
        if incident.job_id is not None:
            by_job.setdefault(incident.job_id, {})[incident.kind] = incident
    found = [_stand(job, last.get(job.id), by_job.get(job.id, {})) for job in jobs]
    order = {standing: place for place, standing in enumerate(Standing)}
    order[Standing.RUNNING] = order[Standing.WELL]
    far = now.replace(year=9999)
    return sorted(found, key=lambda one: (order[one.standing], one.job.next_fire_at or far, one.job.id))


def _stand(job: Job, last: Run | None, wrong: Mapping[str, Incident]) -> Stand:
    return Stand(job, _standing(job, last, wrong), last, wrong)


def _standing(job: Job, last: Run | None, wrong: Mapping[str, Incident]) -> Standing:
    state = last.state if last else None
    if not job.enabled:
        return Standing.OFF
    for standing in (Standing.FAILING, Standing.LATE, Standing.MISSED):
        if standing in wrong:
            return standing
    if state == RunState.DEGRADED:
        return Standing.DEGRADED
    if job.rejected is not None:
        return Standing.REJECTED
    return Standing.RUNNING if state == RunState.RUNNING else Standing.WELL
