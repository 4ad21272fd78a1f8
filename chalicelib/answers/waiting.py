"""What a run that is due and queued waits for: the first cause that holds, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model.jobs import Job, Overlap
from chalicelib.model.liveness import is_stopped, is_ticking
from chalicelib.model.runs import Run, RunState
from chalicelib.settings import Settings
from chalicelib.store import duties, history, occurrences, past_runs, runners
from chalicelib.store.database import Tx
from chalicelib.store.queue import pauses, pools
from chalicelib.text import counted

from .wording import when

NOTHING_STARTS = "JOB_QUEUE_ENABLED is 0, so no run is started: set it to 1 and restart Sauron"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a run does not start, and what ends that; `behind` is the run of its own job that it waits for."""

    cause: str
    step: str
    behind: Run | None = None


IN_A_MOMENT = Wait("a worker takes it in a moment", "It starts by itself")


@dataclass(frozen=True, slots=True)
class Backlog:
    """The runs of a job that are due and have not started, the oldest first, and what that one waits for.

    `usual` is the usual duration, in seconds, of the run in progress that they wait for.
    """

    due: Sequence[Run]
    wait: Wait
    usual: float | None


def backlog(tx: Tx, job: Job, *, now: datetime, settings: Settings) -> Backlog | None:
    """Return what of a job is due and has not started, or None."""
    unfinished = occurrences.unfinished(tx, job.id, now=now)
    due = [one for one in unfinished if one.state is RunState.QUEUED]
    if not due:
        return None
    tick = duties.duty(tx, duties.TICK)
    last_tick = tick[0] if tick else None
    wait = waits_for(tx, due[0], job, unfinished, now=now, last_tick=last_tick, settings=settings)
    return Backlog(due, wait, past_runs.usual_seconds(tx, job.id) if wait.behind else None)


def waits_for(
    tx: Tx,
    run: Run,
    job: Job,
    unfinished: Sequence[Run],
    *,
    now: datetime,
    last_tick: datetime | None,
    settings: Settings,
) -> Wait:
    """Return why a queued run whose time has come is not running, and what happens or is to be done."""
    zone = job.spec.timezone
    if not settings.queue_enabled:
        return Wait("no run is started now", NOTHING_STARTS)
    if not is_ticking(last_tick, now):
        since = f"its last tick was at {when(last_tick, zone)}" if last_tick else "it has never ticked"
        return Wait(
            f"Sauron is not running: {since}", "It goes on when Sauron is started again: `sauron serve`"
        )
    if policy := _policy(tx, run, now):
        return policy
    if own := _own(run, job, unfinished):
        does = "is running" if own.state is RunState.RUNNING else "is before it"
        return Wait(
            f"it waits for run {own.id} of this job, which {does} (overlap={job.spec.overlap})",
            f"It starts by itself when that run is over; to end that run: `sauron cancel {own.id}`",
            own,
        )
    if settings.function or settings.sqs_queue_url:
        return Wait("its message to a worker is on its way", "It starts by itself")
    return _workers(tx, run, now=now, settings=settings)


def _policy(tx: Tx, run: Run, now: datetime) -> Wait | None:
    """Return the policy over all jobs that a run waits for: a pause, or a pool without room."""
    pause = pauses.in_force(tx, now)
    if pause is not None and not run.force:
        who = f" by {pause.by}" if pause.by else ""
        return Wait(f"everything is paused{who}", "It starts when the pause ends: `sauron unpause`")
    full = pools.waiting(tx, {run.pool}).get(run.pool) if run.pool else None
    if full is None:
        return None
    return Wait(
        f"pool {full.pool} has no room: {full.running} of {full.size} are running",
        "It starts by itself when one of them ends; SAURON_POOLS says how many may run at once",
    )


def _own(run: Run, job: Job, unfinished: Sequence[Run]) -> Run | None:
    """Return the run of the same job that this one waits for, or None."""
    if run.force or job.spec.overlap is Overlap.ALLOW:
        return None
    others = [one for one in unfinished if one.id != run.id]
    running = next((one for one in others if one.state is RunState.RUNNING), None)
    return running or next((one for one in others if (one.due_at, one.id) < (run.due_at, run.id)), None)


def _workers(tx: Tx, run: Run, *, now: datetime, settings: Settings) -> Wait:
    alive = [one for one in runners.all_runners(tx) if not is_stopped(now - one.seen_at)]
    if not alive:
        return Wait("no runner is alive", "Start one: `sauron serve`")
    free = [one for one in alive if not one.draining]
    if not free:
        names = ", ".join(one.name for one in alive)
        return Wait(f"every runner is drained ({names})", f"It starts after `sauron resume {alive[0].name}`")
    places = settings.workers * len(free)
    running, ahead = history.counts(tx)["running"], occurrences.due_before(tx, run)
    if running >= places:
        busy = f"all {places} workers are busy" if places > 1 else "the one worker is busy"
        cause = f"{busy}, with {counted(ahead, 'due run')} before it"
        return Wait(
            cause, "It starts by itself when a worker is free; SAURON_WORKERS says how many there are"
        )
    return IN_A_MOMENT
