"""The questions that people and programs ask of a Sauron, for every door alike.

Each method takes plain arguments and returns a dict that is ready for JSON, so that HTTP, the command line
and the assistant give the same answer to the same question. Asking changes nothing.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.clock import Clock, iso
from chalicelib.errors import ScheduleError, UnknownJobError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, RunState
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle, occurrences, registry
from chalicelib.store.database import Tx

from . import evidence, why, why_report
from .asked_time import AskedTime, read_asked_time
from .evidence import Evidence
from .spans import following, previous, spans_of
from .waiting import waits_for


class Questions:
    """The questions about one store. Safe to share between threads."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    def why(self, job_id: str, at: str | None = None) -> dict[str, Any]:
        """Return why a job ran, did not run, or will or will not run, at a time.

        `at` is ISO 8601; without an offset it is read in the job's zone. Without `at` it is about the last
        occurrence and what comes next, or about what keeps a job that is off from running. Raises
        UnknownJobError with the nearest id, InstantError for an `at` that is not a time.
        """
        with self._store.read() as tx:
            now = self._clock.now()
            job = registry.job(tx, job_id)
            if job is None:
                return self._never_in_force(tx, job_id, at, now)
            if at is not None:
                asked = _read(at, job)
                return self._answered(tx, self._gather(tx, job, at=asked.instant, now=now), asked)
            return self._lately(tx, job, now)

    def _lately(self, tx: Tx, job: Job, now: datetime) -> dict[str, Any]:
        """Return the answer about the last occurrence of a job; about now if the job is off."""
        last = occurrences.last(tx, job.id, until=now)
        if not job.enabled or job.rejected is not None or job.removed_at is not None:
            # It is about what the job is, also if an occurrence falls on this very instant.
            e = self._gather(tx, job, at=now, now=now, by_hand_until=now)
            e = replace(e, row=None, decided_at=now)
            return why_report.as_json(e, why.decide(e), remark=None, asked=False, last=last)
        spans = spans_of(job, registry.periods_of(tx, job.id))
        known = [last.fire_at if last else None, previous(spans, now)]
        at = max((one for one in known if one), default=None) or following(spans, now) or now
        return self._answered(tx, self._gather(tx, job, at=at, now=now, by_hand_until=now), None)

    def _gather(
        self, tx: Tx, job: Job, *, at: datetime, now: datetime, by_hand_until: datetime | None = None
    ) -> Evidence:
        claims = self._settings.queue_enabled
        return evidence.gather(tx, job, at=at, now=now, queue_enabled=claims, by_hand_until=by_hand_until)

    def _answered(self, tx: Tx, e: Evidence, asked: AskedTime | None) -> dict[str, Any]:
        waiting = self._waiting(tx, e.row, e) if e.row else None
        found = why.decide(e, waiting=waiting)
        remark = asked.remark if asked else None
        return why_report.as_json(e, found, remark=remark, asked=asked is not None)

    def _waiting(self, tx: Tx, run: Run, e: Evidence) -> tuple[str, str] | None:
        if run.state is not RunState.QUEUED or run.due_at > e.now:
            return None
        return waits_for(
            tx, run, e.job, e.unfinished, now=e.now, last_tick=e.last_tick, settings=self._settings
        )

    def _never_in_force(self, tx: Tx, job_id: str, at: str | None, now: datetime) -> dict[str, Any]:
        """Return the answer for a job whose only definition was rejected. Raises UnknownJobError."""
        state = bundle.state(tx)
        refused = next((one for one in state.rejected if one.get("job_id") == job_id), None)
        if refused is None:
            ids = [str(one.get("job_id")) for one in state.rejected]
            known = registry.nearest(tx, job_id) or difflib.get_close_matches(job_id, ids, n=2)
            raise UnknownJobError(job_id, known, sync_error=state.last_error)
        instant = read_asked_time(at, "UTC").instant if at is not None else now
        return why_report.never_in_force(job_id, refused, sha=state.active_sha, at=iso(instant))


def _read(at: str, job: Job) -> AskedTime:
    """Read a time in the job's zone; in UTC, if an update of the zone data dropped that zone."""
    try:
        return read_asked_time(at, job.spec.timezone)
    except ScheduleError:
        return read_asked_time(at, "UTC")
