"""What becomes of a job's occurrences: the pure arithmetic between a schedule and the ledger.

`account` returns, for the time from a job's cursor to a horizon, one row for every occurrence: a run to
queue, or one `missed` row for a gap that policy says not to run. It reads no store and no clock: tick, sync
and the operator's switches write the rows in the transaction in which they act.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .jobs import Catchup, Job
from .runs import Origin, RunState, new_run_id

HORIZON = timedelta(seconds=90)  # how far ahead occurrences become runs: EventBridge may call late
ON_TIME = timedelta(seconds=60)  # an occurrence seen within this time after it fired was not missed
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Accounting:
    """Rows for the queue, and where the job's cursor and next fire time are afterwards."""

    job_id: str
    rows: tuple[dict[str, Any], ...]
    cursor: datetime
    next_fire_at: datetime


def account(job: Job, *, now: datetime, until: datetime, on_time: timedelta = ON_TIME) -> Accounting:
    """Account for the occurrences of an enabled job in (cursor, until]; those up to `now` were due already.

    One that was due less than `on_time` ago was not missed; after downtime that is nothing, and catch-up
    decides.
    """
    schedule = job.spec.schedule
    if until <= job.cursor:
        return Accounting(job.id, (), job.cursor, schedule.after(job.cursor))
    rows: list[dict[str, Any]] = []
    past_end = min(now, until)
    caught_up = _caught_up(job, now, past_end, on_time) if past_end > job.cursor else []
    oldest = caught_up[-1] if caught_up else past_end + _INSTANT
    if past_end > job.cursor and (last := schedule.before(oldest)) > job.cursor:
        rows.append(
            _gap(job, schedule.after(job.cursor), last, schedule.count_between(job.cursor, last), now)
        )
    edge = now - on_time
    rows.extend(
        _run(job, at, Origin.SCHEDULE if at > edge else Origin.CATCHUP, now) for at in reversed(caught_up)
    )
    ahead = max(past_end, job.cursor)
    rows.extend(_run(job, fire_at, Origin.SCHEDULE, now) for fire_at in schedule.between(ahead, until))
    return Accounting(job.id, tuple(rows), until, schedule.after(until))


def _caught_up(job: Job, now: datetime, end: datetime, on_time: timedelta) -> list[datetime]:
    """Return the occurrences up to `end` that are run late, the newest first."""
    spec = job.spec
    window, most = {
        Catchup.NONE: (on_time, spec.catchup_max),
        Catchup.LATEST: (max(spec.catchup_window, on_time), 1),
        Catchup.ALL: (max(spec.catchup_window, on_time), spec.catchup_max),
    }[spec.catchup]
    chosen: list[datetime] = []
    fire_at = spec.schedule.before(end + _INSTANT)
    while fire_at > job.cursor and fire_at > now - window and len(chosen) < most:
        chosen.append(fire_at)
        fire_at = spec.schedule.before(fire_at)
    return chosen


def _run(job: Job, fire_at: datetime, origin: Origin, now: datetime) -> dict[str, Any]:
    return {
        "id": new_run_id(),
        "job_id": job.id,
        "state": RunState.QUEUED,
        "origin": origin,
        "fire_at": fire_at,
        "due_at": job.spec.due_at(fire_at),
        "gap_from": None,
        "gap_count": 0,
        "max_attempts": job.spec.max_attempts,
        "pool": job.spec.pool,
        "priority": job.spec.priority,
        "reason": None,
        "created_at": now,
        "finished_at": None,
    }


def _gap(job: Job, first: datetime, last: datetime, count: int, now: datetime) -> dict[str, Any]:
    row = _run(job, last, Origin.CATCHUP, now)
    what = f"{count} occurrences" if count > 1 else "its time"
    return row | {
        "state": RunState.MISSED,
        "due_at": last,
        "gap_from": first,
        "gap_count": count,
        "reason": f"{what} passed while Sauron was not running (catchup={job.spec.catchup})",
        "finished_at": now,
    }
