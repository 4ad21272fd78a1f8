"""The jobs of a simulation and their occurrences: their policies, and what keeps them from running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.cron.minutes import Minutes
from chalicelib.errors import ScheduleError
from chalicelib.model.faults import DEFINITION_REJECTED
from chalicelib.model.runs import JobId

from .job_set import JobSet, Member
from .virtual_time import VirtualJob, VirtualRun

DISABLED = "disabled"  # why an occurrence of a job that is off and follows others does not run
_MICROSECOND = timedelta(microseconds=1)


def fires_of(jobs: JobSet, minutes: Minutes) -> dict[JobId, int]:
    """Return the minutes in which jobs fire while they are on, by id; those that do not are left out."""
    return {job_id: bits for job_id, one in sorted(jobs.items()) if (bits := _occurrences(one, minutes))}


def _occurrences(member: Member, minutes: Minutes) -> int:
    try:
        return member.occurrences(minutes)
    except ScheduleError:  # a zone that an update of this machine dropped
        return 0


def since(start: datetime, minutes: Minutes, bits: int) -> list[int]:
    """Return the instants of bits in microseconds since `start`."""
    return [(one - start) // _MICROSECOND for one in minutes.instants(bits)]


def occurrences_of(
    jobs: JobSet, made: Mapping[JobId, VirtualJob], fires: Mapping[JobId, Sequence[int]], start: datetime
) -> list[VirtualRun]:
    """Return an occurrence for each time at which a job fires by its own schedule."""
    runs: list[VirtualRun] = []
    for job_id, fired in fires.items():
        job = made[job_id]
        delay = 0 if job.missed else (jobs[job_id].spec.due_at(start) - start) // _MICROSECOND
        runs += [VirtualRun(job, fire, fire + delay) for fire in fired]
    return runs


def following(jobs: JobSet, fires: Mapping[JobId, int]) -> dict[JobId, int]:
    """Return the minutes whose occurrences lead on to each job that follows others, its own included."""
    found: dict[JobId, int] = {}
    changed = True
    while changed:  # once more than the longest chain has steps
        changed = False
        for job_id, member in jobs.items():
            bits = fires.get(job_id, 0)
            for parent in member.spec.after:
                bits |= found.get(parent, fires.get(parent, 0))
            if member.spec.after and bits and found.get(job_id) != bits:
                found[job_id], changed = bits, True
    return found


def virtual_jobs_of(
    jobs: JobSet, at: Mapping[JobId, Sequence[int]], seconds: Mapping[JobId, float], start: datetime
) -> dict[JobId, VirtualJob]:
    """Return the jobs that have occurrences, by id. `at` are these, in microseconds since `start`."""
    made = {
        job_id: VirtualJob(
            job_id,
            jobs[job_id].spec.overlap,
            round(seconds[job_id] * 1_000_000),
            pool=jobs[job_id].spec.pool,
            priority=jobs[job_id].spec.priority,
            missed=jobs[job_id].rejected is not None,
            barred=_barred(jobs[job_id], start),
        )
        for job_id in at
    }
    for job_id, job in made.items():
        after = jobs[job_id].spec.after
        job.parents = [made.get(one) or VirtualJob(one, jobs[job_id].spec.overlap, 0) for one in after]
        for parent in job.parents:
            parent.children.append(job)
            if len(after) > 1:
                parent.fires = frozenset(at.get(JobId(parent.job_id), ()))
    return made


def _barred(member: Member, start: datetime) -> Callable[[int, int], str | None]:
    """Return what says why a job does not run at so many microseconds after `start`."""
    if member.rejected is not None:
        return lambda _fire, _due: f"{DEFINITION_REJECTED}: {member.rejected}"
    if not member.spec.after:
        return lambda _fire, _due: None  # while it is off, it has no occurrences
    return lambda fire, _due: None if member.enabled(start + timedelta(microseconds=fire)) else DISABLED
