"""Pure questions about schedules and the ledger: what comes next, and is every occurrence accounted for."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime

from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Job
from chalicelib.store import chain_audit, duties, periods, registry
from chalicelib.store.database import Tx
from chalicelib.store.duties import TICK


@dataclass(frozen=True, slots=True)
class Hole:
    """An occurrence that the pure schedule has and the ledger has not (or a gap row whose count is wrong)."""

    job_id: str
    fire_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `audit` found. `occurrences` counts those that were checked, up to the last tick (`until`)."""

    holes: tuple[Hole, ...]
    occurrences: int
    jobs: int
    since: datetime | None
    until: datetime | None


def upcoming(tx: Tx, *, now: datetime, count: int) -> list[tuple[Job, datetime]]:
    """Return the next `count` fire times over all enabled jobs, the soonest first."""
    heap = [
        (fires[0], job.id, job)
        for job in registry.all_jobs(tx)
        if (fires := job.next_fires(now=now, count=1))
    ]
    heapq.heapify(heap)
    answer: list[tuple[Job, datetime]] = []
    while heap and len(answer) < count:
        fire_at, job_id, job = heap[0]
        answer.append((job, fire_at))
        heapq.heapreplace(heap, (job.spec.schedule.after(fire_at), job_id, job))
    return answer


def audit(tx: Tx, *, now: datetime, job_id: str | None = None) -> AuditReport:
    """Hold the ledger against the pure schedule of every period in force, up to the last tick.

    Rows of occurrences that were skipped or missed count as accounted for; so does a `missed` row that stands
    for a gap, if it counts exactly the occurrences the schedule has there. What was pruned is not looked at.
    """
    last = duties.duty(tx, TICK)
    if last is None:
        return AuditReport((), 0, 0, None, None)
    until = min(last[0], now)
    one = registry.job(tx, job_id) if job_id is not None else None
    jobs = registry.all_jobs(tx, removed=True) if job_id is None else [one] if one else []
    holes: list[Hole] = []
    checked = 0
    since: datetime | None = None
    for job in jobs:
        begin = periods.ledger_from(tx, job.id)
        since = begin if since is None else min(since, begin)
        rows = periods.ledger(tx, job.id, after=begin)
        single = {fire_at for fire_at, gap_from, _ in rows if gap_from is None}
        gaps = [(gap_from, fire_at, count) for fire_at, gap_from, count in rows if gap_from is not None]
        expected: set[datetime] = set()
        for period in periods.periods_of(tx, job.id):
            start, end = max(period.since, begin), min(period.until or until, until)
            if start < end and period.cron:
                expected.update(Schedule.parse(period.cron, period.timezone).between(start, end))
        checked += len(expected)
        holes.extend(
            Hole(job.id, fire_at, "no run, skip or miss is recorded")
            for fire_at in sorted(expected - single)
            if not any(first <= fire_at <= last for first, last, _ in gaps)
        )
        for first, gap_end, said in gaps:
            found = sum(first <= fire_at <= gap_end for fire_at in expected)
            if said != found and first > begin and gap_end <= until:
                holes.append(
                    Hole(job.id, gap_end, f"a gap row counts {said} occurrences, the schedule has {found}")
                )
        lost, looked_at = chain_audit.unasked(tx, job, until=until)
        checked += looked_at
        holes.extend(Hole(job.id, at, f"{why}, and no run or skip is recorded") for at, why in lost)
    return AuditReport(tuple(holes), checked, len(jobs), since, until)
