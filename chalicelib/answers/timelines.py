"""What happened to a job's occurrences in the last 24 hours, and what comes in the next 24."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Job
from chalicelib.model.runs import JobId, Run, RunState
from chalicelib.store import past_runs
from chalicelib.store.database import Tx

DAY = timedelta(hours=24)
LONG = timedelta(minutes=8)  # a run as long as this is drawn as a line
MOST_MARKS = 120  # more occurrences than this are drawn as a band


@dataclass(frozen=True, slots=True)
class Mark:
    """One run, skip or miss, from when it began (or was due) to when it ended. `count` > 1: a gap."""

    state: RunState
    begin: datetime
    end: datetime
    run_id: str
    why: str | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """One job's last and next 24 hours.

    `band` is the time in which runs that succeeded are so many that no mark stands for each. `coming` are
    the fire times to come, or the first and the last of them if `dense`. `usual_seconds` is known if a run of
    the day was long enough to be drawn as a line. `off_since` is when somebody switched the job off, the
    begin of the day if git did; `off_until` is when the switch ends.
    """

    marks: Sequence[Mark]
    band: tuple[datetime, datetime] | None
    coming: Sequence[datetime]
    dense: bool
    usual_seconds: float | None
    off_since: datetime | None
    off_until: datetime | None = None


def timelines(tx: Tx, jobs: Sequence[Job], running: Sequence[Run], *, now: datetime) -> dict[JobId, Timeline]:
    """Return the timelines of these jobs; `running` are the runs that are running now."""
    since = now - DAY
    crowds = past_runs.crowds(tx, [job.id for job in jobs], since=since, most=MOST_MARKS + 1)
    bands = {job_id: (one.first, one.last) for job_id, one in crowds.items() if one.count > MOST_MARKS}
    crowded, few = list(bands), [job_id for job_id in crowds if job_id not in bands]
    most = MOST_MARKS * len(jobs)
    found = [
        *past_runs.ended(tx, few, since=since, bad_only=False, most=most),
        *past_runs.ended(tx, crowded, since=since, bad_only=True, most=most),
    ]
    marks: dict[str, list[Mark]] = {job.id: [] for job in jobs}
    for one in reversed(found):
        marks[one.job_id].append(_mark(one))
    for run in running:
        if run.job_id in marks:
            marks[run.job_id].append(Mark(RunState.RUNNING, run.started_at or now, now, run.id, None))
    return {
        job.id: _timeline(tx, job, marks[job.id][-MOST_MARKS:], band=bands.get(job.id), now=now)
        for job in jobs
    }


def _timeline(
    tx: Tx, job: Job, marks: Sequence[Mark], *, band: tuple[datetime, datetime] | None, now: datetime
) -> Timeline:
    coming, dense = _coming(job, now)
    long = any(mark.end - mark.begin >= LONG for mark in marks)
    usual = past_runs.usual_seconds(tx, job.id) if coming and not dense and long else None
    off = None if job.enabled else job.override
    off_since = off.at if off else None if job.enabled else now - DAY
    return Timeline(marks, band, coming, dense, usual, off_since, off.until if off else None)


def _mark(one: past_runs.Ended) -> Mark:
    begin = one.started_at or one.gap_from or one.due_at
    end = one.finished_at if one.started_at else max(begin, one.due_at)
    return Mark(one.state, begin, end, one.id, one.why, max(1, one.gap_count))


def _coming(job: Job, now: datetime) -> tuple[Sequence[datetime], bool]:
    """Return the fire times of the next 24 hours, and whether only the first and the last are given."""
    if not job.next_fires(now=now, count=1):
        return (), False
    return _fires(job.spec.schedule, now.replace(second=0, microsecond=0))


@lru_cache(maxsize=1024)
def _fires(schedule: Schedule, minute: datetime) -> tuple[tuple[datetime, ...], bool]:
    """Walk a schedule once a minute, however many browsers look at it."""
    end = minute + DAY
    if schedule.count_between(minute, end) > MOST_MARKS:
        return (schedule.after(minute), schedule.before(end)), True
    return tuple(schedule.between(minute, end)), False
