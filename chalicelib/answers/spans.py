"""The times in which a job's schedule is in force, past and to come: pure arithmetic over periods.

A span holds after `since`, up to and including `until`, as a period does. What an override will change at its
end is foreseen, so that the past and the future are asked in the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import Job
from chalicelib.store.periods import Period

from .asked_time import LAST_YEAR

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a schedule is in force: after `since`, up to and including `until` (None: for good)."""

    since: datetime
    until: datetime | None
    schedule: Schedule
    revision: str | None

    def covers(self, instant: datetime) -> bool:
        """Say whether the schedule is in force at an instant."""
        return self.since < instant and (self.until is None or instant <= self.until)


def spans_of(job: Job, periods: Sequence[Period]) -> list[Span]:
    """Return a job's spans in the order of time; a schedule that can no longer be read is left out."""
    found = []
    for period in periods:
        if not period.cron:
            continue  # the job only follows others
        try:
            schedule = Schedule.parse(period.cron, period.timezone)
        except ScheduleError:  # a zone that an update dropped
            continue
        found.append(Span(period.since, _end(job, period), schedule, period.revision))
    override = job.override
    until = override.until if override and not override.enabled else None
    if until and job.spec.cron and until.year <= LAST_YEAR and job.spec.enabled and job.removed_at is None:
        with contextlib.suppress(ScheduleError):
            found.append(Span(until, None, job.spec.schedule, job.revision))
    return found


def _end(job: Job, period: Period) -> datetime | None:
    override = job.override
    if period.until is None and override and override.enabled and not job.spec.enabled:
        return override.until
    return period.until


def covering(spans: Sequence[Span], instant: datetime) -> Span | None:
    """Return the span in which an instant lies, or None."""
    return next((span for span in reversed(spans) if span.covers(instant)), None)


def previous(spans: Sequence[Span], instant: datetime) -> datetime | None:
    """Return the last occurrence before an instant, or None."""
    for span in reversed(spans):
        if span.since >= instant:
            continue
        end = instant if span.until is None else min(instant, span.until + _INSTANT)
        if (fire_at := span.schedule.before(end)) > span.since:
            return fire_at
    return None


def following(spans: Sequence[Span], instant: datetime) -> datetime | None:
    """Return the first occurrence after an instant, or None."""
    for span in spans:
        start = max(instant, span.since)
        if span.until is not None and start >= span.until:
            continue
        fire_at = span.schedule.after(start)
        if span.until is None or fire_at <= span.until:
            return fire_at
    return None
