"""What runs and what waits when a simulation begins now, as runs in virtual time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model.jobs import Overlap
from chalicelib.model.runs import DROPPED_WHEN_OFF, JobId, Origin, Run
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
    """The runs in progress, and those that are queued but for occurrences that are still to fire."""

    running: Sequence[Run]
    queued: Sequence[Run]


def unfinished(tx: Tx, *, now: datetime) -> Unfinished:
    """Return what runs and what waits now."""
    queued = occurrences.waiting(tx, most=MOST)
    return Unfinished(
        past_runs.running(tx), [run for run in queued if run.fire_at is None or run.fire_at <= now]
    )


def going_on(
    found: Unfinished,
    jobs: JobSet,
    made: Mapping[JobId, VirtualJob],
    usual: Mapping[JobId, float],
    *,
    now: datetime,
) -> list[VirtualRun]:
    """Return the runs in progress, with the ends that they are taken to have."""
    runs = []
    for run in found.running:
        if (job := made.get(JobId(run.job_id))) is None:
            continue
        begun = min(run.started_at or now, now)
        rest, uncertain = _rest(now - begun, usual.get(job_id := JobId(run.job_id)), jobs[job_id])
        runs.append(
            VirtualRun(
                job,
                _fire(run, now),
                _since(run.due_at, now),
                starts=_since(begun, now),
                ends=max(1, rest // _MICROSECOND),
                stored=run.id,
                flows=run.flows,
                uncertain=uncertain,
            )
        )
    return runs


def _rest(gone: timedelta, usual: float | None, member: Member) -> tuple[timedelta, bool]:
    """Return how long a run still takes, and whether that is a guess: it is slower than usual, or none is."""
    if usual is not None and gone.total_seconds() < usual:
        return timedelta(seconds=usual) - gone, False
    limit = max(member.spec.timeout - gone, _SECOND)
    return min(max(gone, _SECOND), limit), True


def waiting(
    found: Unfinished, made: Mapping[JobId, VirtualJob], *, now: datetime, pause: Pause | None
) -> list[VirtualRun]:
    """Return the runs that wait, without those that wait for the end of a pause that has none."""
    runs = []
    for run in found.queued:
        if (job := made.get(JobId(run.job_id))) is None:
            continue
        fresh = run.attempt == 0 and not run.force and run.origin != Origin.CATCHUP and run.occurrence
        manner = None if fresh else Overlap.ALLOW if run.force else _waits(job)
        due = run.due_at
        if pause is not None and not run.force and (run.attempt or run.origin not in DROPPED_WHEN_OFF):
            if pause.until is None:
                continue
            due = max(due, pause.until)
        at = max(0, _since(due, now))
        runs.append(VirtualRun(job, _fire(run, now), at, stored=run.id, manner=manner, flows=run.flows))
    return runs


def _waits(job: VirtualJob) -> Overlap:
    return Overlap.ALLOW if job.overlap is Overlap.ALLOW else Overlap.QUEUE


def _fire(run: Run, now: datetime) -> int:
    return min(-1, _since(run.scheduled_for, now))


def _since(instant: datetime, now: datetime) -> int:
    return (instant - now) // _MICROSECOND
