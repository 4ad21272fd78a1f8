"""The question why: what is gathered for a job and a time, and how it becomes an answer."""

from __future__ import annotations

import difflib
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.clock import iso
from chalicelib.errors import ScheduleError, UnknownJobError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, RunState
from chalicelib.settings import Settings
from chalicelib.store import bundle, occurrences, periods, registry
from chalicelib.store.database import Tx

from . import evidence, why, why_report
from .asked_time import AskedTime, read_asked_time
from .evidence import Evidence
from .spans import following, previous, spans_of
from .waiting import Wait, waits_for


def answer(tx: Tx, job_id: str, at: str | None, *, now: datetime, settings: Settings) -> dict[str, Any]:
    """Return why a job ran or did not at a time, or lately. See `Questions.why`."""
    asking = _Asking(tx, now, settings)
    job = registry.job(tx, job_id)
    if job is None:
        return asking.never_in_force(job_id, at)
    if at is None:
        return asking.lately(job)
    asked = _read(at, job)
    return asking.answered(asking.gather(job, at=asked.instant), asked)


class _Asking:
    """One question, inside one transaction."""

    def __init__(self, tx: Tx, now: datetime, settings: Settings) -> None:
        self._tx = tx
        self._now = now
        self._settings = settings

    def lately(self, job: Job) -> dict[str, Any]:
        """Return the answer about the last occurrence of a job; about now if the job is off."""
        tx, now = self._tx, self._now
        last = occurrences.last(tx, job.id, until=now)
        if not job.enabled or job.rejected is not None or job.removed_at is not None:
            # It is about what the job is, also if an occurrence falls on this very instant.
            e = self.gather(job, at=now, by_hand_until=now)
            e = replace(e, row=None, decided_at=now)
            return why_report.as_json(e, why.decide(e), remark=None, asked=False, last=last)
        if not job.spec.cron:
            chained = occurrences.last_of_chain(tx, job.id)
            at = chained.scheduled_for if chained else now
            return self.answered(self.gather(job, at=at, by_hand_until=now), None)
        spans = spans_of(job, periods.periods_of(tx, job.id))
        known = [last.fire_at if last else None, previous(spans, now)]
        at = max((one for one in known if one), default=None) or following(spans, now) or now
        return self.answered(self.gather(job, at=at, by_hand_until=now), None)

    def gather(self, job: Job, *, at: datetime, by_hand_until: datetime | None = None) -> Evidence:
        claims = self._settings.queue_enabled
        return evidence.gather(
            self._tx, job, at=at, now=self._now, queue_enabled=claims, by_hand_until=by_hand_until
        )

    def answered(self, e: Evidence, asked: AskedTime | None) -> dict[str, Any]:
        waiting = self._waiting(e.row, e) if e.row else None
        found = why.decide(e, waiting=waiting)
        remark = asked.remark if asked else None
        return why_report.as_json(e, found, remark=remark, asked=asked is not None)

    def _waiting(self, run: Run, e: Evidence) -> Wait | None:
        if run.state is not RunState.QUEUED or run.due_at > e.now:
            return None
        return waits_for(
            self._tx, run, e.job, e.unfinished, now=e.now, last_tick=e.last_tick, settings=self._settings
        )

    def never_in_force(self, job_id: str, at: str | None) -> dict[str, Any]:
        """Return the answer for a job whose only definition was rejected. Raises UnknownJobError."""
        state = bundle.state(self._tx)
        refused = next((one for one in state.rejected if one.get("job_id") == job_id), None)
        if refused is None:
            ids = [str(one.get("job_id")) for one in state.rejected]
            known = registry.nearest(self._tx, job_id) or difflib.get_close_matches(job_id, ids, n=2)
            raise UnknownJobError(job_id, known, sync_error=state.last_error)
        instant = read_asked_time(at, "UTC").instant if at is not None else self._now
        return why_report.never_in_force(job_id, refused, sha=state.active_sha, at=iso(instant))


def _read(at: str, job: Job) -> AskedTime:
    """Read a time in the job's zone; in UTC, if an update of the zone data dropped that zone."""
    try:
        return read_asked_time(at, job.spec.timezone)
    except ScheduleError:
        return read_asked_time(at, "UTC")
