"""The tick: turn due occurrences into runs, or into recorded misses.

One pass is idempotent: the unique (job, fire time) makes a second tick, a second runner or a repeated call
harmless, and a crash between two batches is continued by the next pass. A pass costs what is due, not what
exists.

Limit: a pass looks HORIZON ahead, so a clock that stands still for longer makes occurrences late; after
DOWNTIME without a tick what was queued for that time and never claimed is accounted for again, under each
job's catch-up policy. A shorter silence makes late only what jobs without catch-up had queued: it is missed.
After a clock was set back no occurrence is accounted for again: jobs fire when it is past their cursor, and
an incident says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.jobs import Catchup
from chalicelib.model.liveness import was_down, was_set_back
from chalicelib.model.occurrences import HORIZON, ON_TIME
from chalicelib.store import Store, duties, ledger, outbox, registry, silences, standings
from chalicelib.store.database import Tx
from chalicelib.store.queue import enqueue, outage, pools

log = logs.get(__name__)

BATCH = 100  # jobs in one transaction: other writers wait no longer than it takes


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one pass did: jobs touched, runs queued, occurrences recorded as missed."""

    at: datetime
    jobs: int = 0
    queued: int = 0
    missed: int = 0


def tick(store: Store, clock: Clock, pool_sizes: Mapping[str, int] | None = None) -> TickReport:
    """Account for every occurrence up to HORIZON from now; bring the stored sizes of pools in line."""
    with store.write() as tx:
        began = ledger.time_of_act(tx, clock)
        late, on_time = _after_silence(tx, began)
        _expire_overrides(tx, began, on_time)
        if pool_sizes is not None:
            pools.keep_sizes(tx, pool_sizes)
    jobs, queued, missed = 0, 0, late
    while True:
        with store.write() as tx:
            now = ledger.time_of_act(tx, clock)
            due = registry.due(tx, horizon=now + HORIZON, most=BATCH)
            # After downtime: what fires from the beginning of this pass on is not of that time.
            batch = ledger.fill(tx, due, now=now, on_time=on_time or now - began)
            if batch.jobs < BATCH:
                duties.ticked(tx, at=now)
        jobs, queued, missed = jobs + batch.jobs, queued + batch.queued, missed + batch.missed
        if batch.jobs < BATCH:
            break
    if queued or missed:
        log.info("tick.completed", jobs=jobs, queued=queued, missed=missed)
    return TickReport(now, jobs, queued, missed)


def foresee(tx: Tx, *, now: datetime) -> list[tuple[str, str, int]]:
    """Do a pass within the caller's transaction, which is then rolled back.

    Return the ledger's rows that it would write for the past: job, state, and how many occurrences.
    """
    _late, on_time = _after_silence(tx, now)
    _expire_overrides(tx, now, on_time)
    while ledger.fill(tx, registry.due(tx, horizon=now + HORIZON, most=BATCH), now=now, on_time=on_time).jobs:
        pass
    return ledger.written(tx, at=now)


def _after_silence(tx: Tx, now: datetime) -> tuple[int, timedelta]:
    """Settle what became late since the last tick.

    Return how many occurrences that were queued are missed, and how late one is that still counts as on time.
    """
    done = duties.duty(tx, duties.TICK)
    if done is not None and was_set_back(done[0], now):
        log.warning("tick.clock_set_back", last=done[0], due_now=enqueue.bring_back(tx, now=now))
    if done is None or now - done[0] <= outage.QUIET:
        return 0, ON_TIME
    last = done[0]
    if was_down(last, now):
        return _take_back(tx, last, now), timedelta()
    return _miss_what_is_late(tx, last, now), ON_TIME


def _take_back(tx: Tx, last: datetime, now: datetime) -> int:
    """After downtime, return to the schedule what was queued for that time and could not be claimed.

    Return how many occurrences were missed because they cannot go back.
    """
    log.warning("tick.downtime_detected", last=last, silent_seconds=int((now - last).total_seconds()))
    returned = enqueue.take_back(tx, after=last, until=now)
    for job_id, first in returned.first.items():
        registry.rewind(tx, job_id, before=first)
    missed = 0
    for run_id, job_id in returned.overtaken:
        job = registry.job(tx, job_id)
        if job is not None and job.spec.catchup is not Catchup.ALL:  # a newer one has its row
            outage.miss(tx, run_id, job.spec.catchup, now=now)
            missed += 1
    silences.note(tx, since=last, until=now)
    return missed


def _miss_what_is_late(tx: Tx, last: datetime, now: datetime) -> int:
    """After a silence too short for a downtime, end what jobs without catch-up had queued ahead and is late.

    Return how many occurrences were missed.
    """
    missed = 0
    for run_id, job_id in outage.late(tx, now=now):
        job = registry.job(tx, job_id)
        if job is not None and job.spec.catchup is Catchup.NONE:
            outage.miss(tx, run_id, Catchup.NONE, now=now)
            missed += 1
    if missed:
        silences.note(tx, since=last, until=now)
    return missed


def _expire_overrides(tx: Tx, now: datetime, on_time: timedelta) -> None:
    """Let git decide again where an override has ended: as if it had been switched at that instant."""
    for job_id in registry.expired_overrides(tx, now=now):
        job = registry.job(tx, job_id)
        registry.clear_override(tx, job_id)
        outbox.put_job(tx, job_id, now=now)
        if job is None or job.override is None or job.override.until is None:
            continue
        ledger.switch(tx, job, enabled=job.spec.enabled, at=job.override.until, now=now, on_time=on_time)
        if (after := registry.job(tx, job_id)) is not None:
            standings.note(tx, job, after, at=job.override.until)
        log.info("override.expired", job_id=job_id, enabled=job.spec.enabled)
