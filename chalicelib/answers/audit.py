"""Pure questions about schedules and the ledger: what comes next, and is every occurrence accounted for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Job
from chalicelib.store import chain_audit, duties, periods, registry
from chalicelib.store.database import Tx
from chalicelib.store.duties import TICK

_INSTANT = timedelta(microseconds=1)


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


@dataclass(frozen=True, slots=True)
class _Span:
    """A time in which a schedule was in force: after `start`, up to and including `end`."""

    schedule: Schedule
    start: datetime
    end: datetime

    def within(self, start: datetime, end: datetime) -> _Span:
        return _Span(self.schedule, max(self.start, start), min(self.end, end))


def _outside(spans: Sequence[_Span], gaps: Sequence[tuple[datetime, datetime, int]]) -> Iterator[_Span]:
    """Iterate over the parts of spans that no gap row stands for."""
    for span in spans:
        start = span.start
        for first, last, _ in sorted(gaps):
            yield span.within(start, first - _INSTANT)
            start = max(start, last)
        yield span.within(start, span.end)


def _count(spans: Sequence[_Span], start: datetime, end: datetime) -> int:
    """Count the occurrences of a part of time; a year of minutes is counted, not walked."""
    parts = [part for span in spans if (part := span.within(start, end)).start < part.end]
    if all(one.end <= other.start for one, other in itertools.pairwise(parts)):
        return sum(one.schedule.count_between(one.start, one.end) for one in parts)
    return len({at for one in parts for at in one.schedule.between(one.start, one.end)})


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
        spans = [
            _Span(Schedule.parse(period.cron, period.timezone), start, end)
            for period in periods.periods_of(tx, job.id)
            if (start := max(period.since, begin)) < (end := min(period.until or until, until))
            and period.cron
        ]
        expected = {
            at for span in _outside(spans, gaps) for at in span.schedule.between(span.start, span.end)
        }
        checked += len(expected)
        holes.extend(
            Hole(job.id, fire_at, "no run, skip or miss is recorded") for fire_at in sorted(expected - single)
        )
        for first, gap_end, said in gaps:
            found = _count(spans, first - _INSTANT, gap_end)
            checked += found
            if said != found and first > begin and gap_end <= until:
                holes.append(
                    Hole(job.id, gap_end, f"a gap row counts {said} occurrences, the schedule has {found}")
                )
        lost, looked_at = chain_audit.unasked(tx, job, until=until)
        checked += looked_at
        holes.extend(Hole(job.id, at, f"{why}, and no run or skip is recorded") for at, why in lost)
    return AuditReport(tuple(holes), checked, len(jobs), since, until)
