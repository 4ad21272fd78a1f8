"""The ledger: every occurrence of every enabled job has one row, whatever is done to the job.

Each function is one act on a job in the caller's transaction: its occurrences up to now are accounted for
under the schedule that was in force, then the schedule changes, then what fires within the horizon is queued
under the new one. So no occurrence falls between two acts, and `audit` can recompute the whole from the
periods.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from chalicelib.clock import Clock
from chalicelib.errors import SauronError
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.occurrences import HORIZON, ON_TIME, account
from chalicelib.model.runs import JobId, RunState
from chalicelib.store.postgres.locks import hold_ledger

from . import periods, registry, standings
from .database import Tx
from .queue import chains, enqueue, pools
from .schema import job_queue


def time_of_act(tx: Tx, clock: Clock) -> datetime:
    """Wait for the ledger's lock and return the time: acts are stamped in the order in which they happen."""
    hold_ledger(tx)
    return clock.now()


@dataclass(frozen=True, slots=True)
class Filled:
    """How many jobs were touched, runs queued, and occurrences recorded as missed."""

    jobs: int = 0
    queued: int = 0
    missed: int = 0


def fill(
    tx: Tx, jobs: Sequence[Job], *, now: datetime, until: datetime | None = None, on_time: timedelta = ON_TIME
) -> Filled:
    """Write the rows of enabled jobs' occurrences from their cursors to `until` (default: the horizon)."""
    accountings = []
    for job in jobs:
        if not job.spec.cron:
            continue  # its occurrences are those of the jobs that it follows
        try:
            accountings.append(account(job, now=now, until=until or now + HORIZON, on_time=on_time))
        except SauronError as error:  # a zone that an update dropped: the other jobs go on
            refused = dataclasses.replace(job, rejected=str(error), next_fire_at=None)
            registry.put(tx, refused)
            standings.note(tx, job, refused, at=now)
    rows = [row for one in accountings for row in one.rows]
    enqueue.put(tx, rows)
    registry.move_cursors(tx, accountings)
    missed = sum(row["gap_count"] for row in rows if row["state"] is RunState.MISSED)
    return Filled(len(jobs), sum(row["state"] is RunState.QUEUED for row in rows), missed)


def written(tx: Tx, *, at: datetime) -> list[tuple[str, str, int]]:
    """Return the rows of occurrences up to `at` that were written at that instant: job, state, how many."""
    c = job_queue.c
    counted = func.sum(case((c.gap_from.is_(None), 1), else_=c.gap_count))
    found = (
        select(c.job_id, c.state, counted)
        .where(c.created_at == at, c.fire_at <= at)
        .group_by(c.job_id, c.state)
        .order_by(c.job_id, c.state)
    )
    return [(job_id, state, count) for job_id, state, count in tx.execute(found)]


def switch(
    tx: Tx, job: Job, *, enabled: bool, at: datetime, now: datetime, on_time: timedelta = ON_TIME
) -> None:
    """Turn a job on or off as of `at`; its cursor starts there, and queued occurrences stay.

    After downtime (`on_time` is nothing) those that fire after `at` are forgotten. A job that is already as
    wanted keeps its cursor, and so all its rows.
    """
    if enabled == job.enabled or job.removed_at is not None:
        return
    if not on_time:  # what was queued ahead of a job that was off was not taken back
        enqueue.forget_future(tx, [job.id], after=at)
    if enabled:
        started = dataclasses.replace(job, enabled=True, cursor=at)
        registry.put(tx, started)
        periods.open_period(tx, started, since=at)
        fill(tx, [started], now=now, on_time=on_time)
    else:
        fill(tx, [job], now=now, until=at)
        registry.put(
            tx, dataclasses.replace(job, enabled=False, cursor=max(job.cursor, at), next_fire_at=None)
        )
        periods.close_period(tx, job.id, until=at)


def retire(tx: Tx, job: Job, *, now: datetime, revision: str | None = None) -> None:
    """Take a job that left the bundle out of the schedule: history stays, queued future occurrences go.

    `revision` is the first without it.
    """
    if job.enabled:
        fill(tx, [job], now=now, until=now)
        periods.close_period(tx, job.id, until=now)
    enqueue.forget_future(tx, [job.id], after=now)
    gone = dataclasses.replace(job, cursor=now, next_fire_at=None, rejected=None, removed_at=now)
    registry.put(tx, gone)
    chains.forget(tx, job.id)
    standings.note(tx, job, gone, at=now, revision=revision)


def reject(tx: Tx, job: Job, reason: str, *, now: datetime, revision: str | None = None) -> None:
    """Keep the schedule of a job whose newest definition, in `revision`, is refused.

    Its occurrences are missed.
    """
    refused = dataclasses.replace(job, rejected=reason)
    registry.put(tx, refused)
    standings.note(tx, job, refused, at=now, revision=revision)


def rename(tx: Tx, job: Job, new: JobId, *, now: datetime) -> None:
    """Give a job a new id: account up to now under the old one, and forget its queued future occurrences."""
    if job.enabled:
        fill(tx, [job], now=now, until=now)
    enqueue.forget_future(tx, [job.id], after=now)
    ahead = registry.job(tx, job.id)
    if ahead is not None and ahead.enabled:
        cursor = min(ahead.cursor, now)
        registry.put(
            tx,
            dataclasses.replace(
                ahead,
                cursor=cursor,
                next_fire_at=ahead.spec.schedule.after(cursor) if ahead.spec.cron else None,
            ),
        )
    registry.rename(tx, job.id, new)
    chains.rename(tx, job.id, new)
    if (renamed := registry.job(tx, new)) is not None:
        standings.note(tx, job, renamed, at=now, renamed_from=job.id)


def define(
    tx: Tx, spec: JobSpec, before: Job | None, *, source: str, revision: str | None, now: datetime
) -> bool:
    """Put a definition in force; return whether the job's fire times changed (or it is new).

    A job whose schedule and standing are as before keeps its cursor. An edited one is accounted for up to now
    under the former definition, its queued future occurrences are forgotten, and it goes on from now under
    the new one.
    """
    override = before.override if before else None
    enabled = override.enabled if override else spec.enabled
    new = Job(spec, source, revision, enabled, override, now, None, None, None)
    stood = before is not None and before.removed_at is None
    if stood and before is not None:
        if (
            before.spec.definition_hash == spec.definition_hash
            and before.rejected is None
            and before.enabled == enabled
        ):
            if before.spec.record != spec.record:  # the place where it is written
                registry.put(tx, dataclasses.replace(before, spec=spec, revision=revision))
            return False
        if before.enabled:
            fill(tx, [before], now=now, until=now)
        enqueue.forget_future(tx, [before.id], after=now)
    same_times = (
        stood
        and before is not None
        and before.enabled == enabled
        and (before.spec.cron, before.spec.timezone, before.spec.after)
        == (spec.cron, spec.timezone, spec.after)
    )
    registry.put(tx, new)
    pools.follow_definition(tx, spec)
    chains.define(tx, spec)
    standings.note(tx, before, new, at=now, revision=revision)
    if not same_times:
        periods.close_period(tx, spec.id, until=now)
        if enabled:
            periods.open_period(tx, new, since=now)
    if enabled:
        fill(tx, [new], now=now)
    return not same_times
