"""The model's jobs: what was in force when, by the acts that were committed. No code is the product's."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation import calendar

HORIZON = dt.timedelta(seconds=90)  # so far ahead occurrences may be queued
DEFAULTS: dict[str, Any] = {
    "timezone": "UTC",
    "enabled": True,
    "max_attempts": 3,
    "overlap": "skip",
    "catchup": "latest",
    "catchup_window_seconds": 86400,
    "catchup_max": 100,
    "retry_backoff_seconds": 60,
    "jitter_minutes": 0,
    "renamed_from": None,
    "after": (),
    "pool": None,
    "priority": 0,
}


class Violation(AssertionError):  # noqa: N818 - the word of the field
    """A promise is broken."""


def require(held: object, said: str) -> None:
    """Raise Violation unless it is true."""
    if not held:
        raise Violation(said)


def kept(manifest: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the definitions that Sauron does not refuse: those with a cron that is none, or a parent that
    is none."""
    found = {name: {**DEFAULTS, **fields} for name, fields in manifest.items() if fields["cron"][:3] != "61 "}
    while refused := [name for name, fields in found.items() if not set(fields["after"]) <= set(found)]:
        for name in refused:
            del found[name]
    return found


@dataclass(slots=True)
class Span:
    """A time in which a schedule was in force: after `since`, up to and including `until` (None: still)."""

    cron: str
    zone: str
    since: dt.datetime
    until: dt.datetime | None = None

    def fires(self, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
        """Iterate over its fire times in a part of time."""
        end = until if self.until is None else min(until, self.until)
        start = max(after, self.since)
        return calendar.between(self.cron, self.zone, start, end) if start < end else iter(())


@dataclass(slots=True, eq=False)
class Job:
    """One job, its spans, and the rows of its occurrences."""

    id: str
    fields: dict[str, Any]
    former: dict[str, Any] = field(default_factory=dict)  # before the act of this commit
    rejected: bool = False
    removed: bool = False
    override: tuple[bool, dt.datetime | None] | None = None
    spans: list[Span] = field(default_factory=list)
    checked: dt.datetime | None = None  # all that fires until then was seen to be in the ledger
    next_fire: dt.datetime | None = None  # of the span in force, after `checked`
    rows: dict[dt.datetime, str] = field(default_factory=dict)
    gaps: list[tuple[dt.datetime, dt.datetime]] = field(default_factory=list)
    taken_back: set[dt.datetime] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def on(self) -> bool:
        """Whether its occurrences are run: git's word, or the operator's over it."""
        return bool(self.override[0] if self.override else self.fields["enabled"])

    @property
    def in_force(self) -> Span | None:
        """The span that goes on, or None."""
        return self.spans[-1] if self.spans and self.spans[-1].until is None else None

    def stand(self, *, at: dt.datetime, anew: bool = False) -> Span | None:
        """Bring the spans in line with what the job is now; return the span that this ended."""
        span, on = self.in_force, self.on and not self.removed and self.fields["cron"] != ""
        same = span and (span.cron, span.zone) == (self.fields["cron"], self.fields["timezone"])
        ended = None
        if span and (not on or not same or anew):
            ended, span.until = span, max(at, span.since)
            span = None
        if on and span is None:
            self.spans.append(Span(self.fields["cron"], self.fields["timezone"], at))
            self.look_from(at)
        elif not on:
            self.next_fire = None
        return ended

    def look_from(self, at: dt.datetime) -> None:
        """Note that the ledger was checked up to an instant."""
        self.checked = at
        span = self.in_force
        self.next_fire = calendar.next_after(span.cron, span.zone, max(at, span.since)) if span else None

    def fire_times(self, first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
        """Return what fired from one instant to another, both included, in any span."""
        instant = dt.timedelta(microseconds=1)
        return sorted({at for span in self.spans for at in span.fires(first - instant, last)})

    def may_have(self, fire_at: dt.datetime, now: dt.datetime) -> bool:
        """Say whether a row may be written for an instant now: it fires in a span, or just after it."""
        return any(
            span.since < fire_at <= (now + HORIZON if span.until is None else span.until)
            and calendar.is_fire_time(span.cron, span.zone, fire_at)
            for span in reversed(self.spans)
        )

    def account(self, fire_at: dt.datetime) -> int:
        """Return how often an occurrence is in the ledger."""
        return (fire_at in self.rows) + sum(first <= fire_at <= last for first, last in self.gaps)

    def check(self, span: Span, until: dt.datetime, why: str) -> None:
        """Raise Violation unless what fired since the last check is in the ledger once."""
        for fire_at in span.fires(self.checked or span.since, until):
            found = self.account(fire_at)
            require(found == 1, f"{self.id}: {fire_at:%F %T} is in the ledger {found} times {why}")


class Registry:
    """All jobs that ever were, by id, and the revision in force."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.active = 0  # the number of the revision, from 1
        self.renamed: dict[str, str] = {}  # by the id before the newest revision

    def job(self, job_id: str) -> Job:
        """Return a job by its id, or by the one it had until now."""
        return self.jobs.get(job_id) or self.jobs[self.renamed[job_id]]

    def activate(
        self, number: int, manifest: Mapping[str, Mapping[str, Any]], now: dt.datetime
    ) -> list[tuple[Job, Span]]:
        """Put a revision in force; return the spans that this ended."""
        self.active = number
        self.renamed.clear()
        found = kept(manifest)
        in_force = {job_id for job_id, job in self.jobs.items() if not job.removed}
        known = set(self.jobs)
        ended: list[tuple[Job, Span]] = []

        def note(job: Job, span: Span | None) -> None:
            if span:
                ended.append((job, span))

        for job_id, fields in found.items():
            former = fields["renamed_from"]
            if former in in_force and former not in found and job_id not in known:
                self.jobs[job_id] = job = self.jobs.pop(former)
                job.id = self.renamed[former] = job_id
                in_force.discard(former)
                in_force.add(job_id)
            job = self.jobs.setdefault(job_id, Job(job_id, fields))
            job.former, job.fields = job.fields, fields
            back = job.removed
            job.rejected = job.removed = False
            note(job, job.stand(at=now, anew=back))
        for job_id in sorted(in_force - set(found)):
            job = self.jobs[job_id]
            job.former = job.fields
            if job_id in manifest:
                job.rejected = True
            else:
                job.removed, job.rejected = True, False
                note(job, job.stand(at=now))
        return ended

    def would_hold(self, manifest: Mapping[str, Mapping[str, Any]]) -> bool:
        """Say whether a revision would remove more than half of at least four jobs, or all of them."""
        in_force = {job_id for job_id, job in self.jobs.items() if not job.removed}
        found = kept(manifest)
        gone = in_force - set(found) - {fields["renamed_from"] for fields in found.values()}
        return bool(gone) and (
            len(gone) == len(in_force) or (len(in_force) >= 4 and 2 * len(gone) > len(in_force))
        )
