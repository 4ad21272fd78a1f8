"""What runs and what waits when a simulation begins now, as runs in virtual time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model.jobs import Overlap
from chalicelib.model.runs import JobId, Origin, Run
from chalicelib.store import occurrences, past_runs
from chalicelib.store.database import Tx
from chalicelib.store.queue.pauses import Pause

from .job_set import JobSet, Member
from .virtual_time import VirtualJob, VirtualRun

MOST = 1_000  # runs that wait
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The runs in progress, and those that are queued but for occurrences that are still to fire.

    `skipped` are occurrences among the queued ones that the next claim skips: at their time a run of their
    job was not over.
    """

    running: Sequence[Run]
    queued: Sequence[Run]
    skipped: AbstractSet[str]


def unfinished(tx: Tx, *, now: datetime) -> Unfinished:
    """Return what runs and what waits now."""
    queued = occurrences.waiting(tx, most=MOST)
    return Unfinished(
        past_runs.running(tx),
        [run for run, _ in queued if run.fire_at is None or run.fire_at <= now],
        {run.id for run, was_busy in queued if was_busy and _is_fresh(run)},
    )


def _is_fresh(run: Run) -> bool:
    """Return whether it is an occurrence about which its job's overlap policy decides."""
    return run.attempt == 0 and not run.force and run.origin != Origin.CATCHUP and run.occurrence


def going_on(
    found: Unfinished,
    jobs: JobSet,
    made: Mapping[JobId, VirtualJob],
    usual: Mapping[JobId, float],
    runners: AbstractSet[str],
    *,
    now: datetime,
) -> list[VirtualRun]:
    """Return the runs in progress, with the ends that they are taken to have.

    One that none of the `runners` has, those that claim if there are any, takes no worker from others.
    """
    runs = []
    for run in found.running:
        job_id = JobId(run.job_id)
        job = made.get(job_id) or VirtualJob(job_id, Overlap.ALLOW, 0, pool=run.pool)  # a removed one
        begun = min(run.started_at or now, now)
        rest, uncertain = _rest(now - begun, usual.get(job_id), jobs.get(job_id))
        runs.append(
            VirtualRun(
                job,
                _since(run.scheduled_for, now),
                _since(run.due_at, now),
                starts=_since(begun, now),
                ends=max(1, rest // _MICROSECOND),
                stored=run.id,
                earlier=True,
                flows=run.flows,
                uncertain=uncertain,
                takes_worker=not runners or run.lease_owner in runners,
            )
        )
    return runs


def _rest(gone: timedelta, usual: float | None, member: Member | None) -> tuple[timedelta, bool]:
    """Return how long a run still takes, and whether that is a guess: it is slower than usual, or none is."""
    if usual is not None and gone.total_seconds() < usual:
        return timedelta(seconds=usual) - gone, False
    again = max(gone, _SECOND)
    return again if member is None else min(again, max(member.spec.timeout - gone, _SECOND)), True


def waiting(
    found: Unfinished,
    jobs: JobSet,
    made: Mapping[JobId, VirtualJob],
    *,
    now: datetime,
    pause: Pause | None,
) -> list[VirtualRun]:
    """Return the runs that wait and will start, unless another run is in their way."""
    runs = []
    for run in found.queued:
        job = made.get(JobId(run.job_id))
        if job is None or not _may_start(run, jobs[JobId(run.job_id)], now):
            continue
        if run.id in found.skipped and job.overlap is Overlap.SKIP:
            continue
        manner = None if _is_fresh(run) else Overlap.ALLOW if run.force else _waits(job)
        due = run.due_at
        if pause is not None and not run.force and not run.droppable:
            if pause.until is None:
                continue
            due = max(due, pause.until)
        at = max(0, _since(due, now))
        fire = _since(run.scheduled_for, now)
        runs.append(VirtualRun(job, fire, at, stored=run.id, earlier=True, manner=manner, flows=run.flows))
    return runs


def _may_start(run: Run, member: Member, now: datetime) -> bool:
    """Return whether its job lets a run start: one that a person asked for starts while it is off."""
    on = member.enabled(now) and member.rejected is None
    return on or not (run.attempt or run.droppable)


def _waits(job: VirtualJob) -> Overlap:
    return Overlap.ALLOW if job.overlap is Overlap.ALLOW else Overlap.QUEUE


def _since(instant: datetime, now: datetime) -> int:
    return (instant - now) // _MICROSECOND
