"""What the store holds about one job around one instant: everything that `why` is decided from.

It is read in one transaction, with a number of statements that depends neither on the number of jobs nor on
the length of the history.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.model.jobs import Job
from chalicelib.model.runs import Attempt, Run, RunState
from chalicelib.store import bundle, duties, history, occurrences, periods, silences, standings
from chalicelib.store.bundle import BundleState, Revision
from chalicelib.store.database import Tx
from chalicelib.store.queue import pauses
from chalicelib.store.queue.pauses import Pause
from chalicelib.store.standings import Standing

from .spans import Span, covering, spans_of

NEAR = timedelta(hours=1)  # runs by hand so near to an instant are mentioned
RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a job at an instant.

    `row` accounts for the occurrence at `at`, or for a gap around it. `decided_at` is when it was, or will
    be, decided whether that one runs; `standing` is what the job was then, or will be. `other` is the run
    that the row's reason names, or one that was going on at `at`.
    `known_since` is when the records of the job begin; older ones were deleted if `pruned`.
    """

    job: Job
    now: datetime
    at: datetime
    decided_at: datetime
    spans: Sequence[Span]
    standing: Standing
    standings: Sequence[Standing]
    known_since: datetime
    ledger_from: datetime
    pruned: bool
    row: Run | None
    attempts: Sequence[Attempt]
    other: Run | None
    by_hand: Sequence[Run]
    unfinished: Sequence[Run]
    after_gap: Run | None
    silence: tuple[datetime, datetime] | None
    last_tick: datetime | None
    revisions: Mapping[str, Revision]
    state: BundleState
    queue_enabled: bool
    pause: Pause | None = None

    @property
    def zone(self) -> str:
        """The job's zone."""
        return self.job.spec.timezone

    @property
    def span(self) -> Span | None:
        """The time around `at` in which a schedule is in force."""
        return covering(self.spans, self.at)


def gather(
    tx: Tx,
    job: Job,
    *,
    at: datetime,
    now: datetime,
    queue_enabled: bool,
    by_hand_until: datetime | None = None,
) -> Evidence:
    """Read what is known about a job at an instant; `queue_enabled` says whether runs are started at all.

    Runs that people asked for are read from an hour before it to `by_hand_until` (default: an hour after it).
    If it lies after `by_hand_until`, all of them are: there was no occurrence yet.
    """
    found = periods.periods_of(tx, job.id)
    spans = spans_of(job, found)
    known = standings.of_job(tx, job.id)
    ledger_from = periods.ledger_from(tx, job.id)
    by_hand_since = ledger_from if by_hand_until is not None and at > by_hand_until else at - NEAR
    row = occurrences.at(tx, job.id, at)
    gap = row is not None and row.gap_from is not None
    tick = duties.duty(tx, duties.TICK)
    decided_at = _decided_at(row, at, now)
    standing = standing_at(job, known, covering(spans, decided_at), at=decided_at, now=now)
    if standing.removed and standing.revision is None and standing.since is not None:
        standing = replace(standing, revision=bundle.activated_at(tx, standing.since))
    shas = {job.revision, standing.revision, row.revision if row else None}
    shas |= {one.revision for one in known[:1]} | {one.revision for one in spans}
    return Evidence(
        job=job,
        now=now,
        at=at,
        decided_at=decided_at,
        spans=spans,
        standing=standing,
        standings=known,
        known_since=min([ledger_from, *(period.since for period in found[:1])]),
        ledger_from=ledger_from,
        pruned=any(period.since < ledger_from for period in found),
        row=row,
        attempts=history.attempts_of(tx, row.id) if row else [],
        other=_other(tx, job.id, row, at),
        by_hand=occurrences.by_hand(tx, job.id, since=by_hand_since, until=by_hand_until or at + NEAR),
        unfinished=occurrences.unfinished(tx, job.id, now=now),
        after_gap=occurrences.first_after(tx, job.id, row.fire_at) if gap and row and row.fire_at else None,
        silence=silences.over(tx, at),
        last_tick=tick[0] if tick else None,
        revisions=bundle.known_revisions(tx, {sha for sha in shas if sha}),
        state=bundle.state(tx),
        queue_enabled=queue_enabled,
        pause=_pause(tx, row, at=at, decided_at=decided_at, now=now),
    )


def _pause(tx: Tx, row: Run | None, *, at: datetime, decided_at: datetime, now: datetime) -> Pause | None:
    """Return the pause that keeps, or kept, an occurrence from starting, or is in force when it is due."""
    pause_at = pauses.in_force if decided_at >= now else pauses.at
    found = pauses.at(tx, row.due_at if row else at) or pause_at(tx, decided_at)
    return pauses.that_skipped(tx, decided_at) if found is None and _is_paused(row) else found


def _is_paused(row: Run | None) -> bool:
    return row is not None and (row.reason or "").partition(";")[0] == pauses.PAUSED


def _decided_at(row: Run | None, at: datetime, now: datetime) -> datetime:
    """Return when a claim looked, or will look, at what the job is: it does so for a row that is due."""
    if row is None or row.gap_from is not None:
        return at
    if row.state is RunState.QUEUED:
        return max(row.due_at, now)
    decided = row.state in {RunState.SKIPPED, RunState.MISSED} and row.finished_at is not None
    return max(at, row.finished_at) if decided and row.finished_at else at


def _other(tx: Tx, job_id: str, row: Run | None, at: datetime) -> Run | None:
    if row is None:
        return occurrences.going_on(tx, job_id, at)
    named = RUN_ID.search(row.reason or row.cancel_reason or row.error or "")
    if row.state is RunState.SKIPPED or row.cancel_reason or row.error_type == "superseded":
        return history.run(tx, named[0]) if named else None
    return occurrences.going_on(tx, job_id, row.due_at, but=row.id)


def standing_at(
    job: Job, known: Sequence[Standing], span: Span | None, *, at: datetime, now: datetime
) -> Standing:
    """Return what a job was, is or will be at an instant, as far as that is known."""
    current = _current(job, at)
    if at >= now:
        return known[-1] if known and _alike(known[-1], current) else current
    newest = next((one for one in reversed(known) if one.since is not None and one.since < at), None)
    if newest is None:
        if current.since is not None and current.since < at:
            return current
        return Standing(None, span is not None)
    if newest.overridden and newest.until is not None and newest.until < at:
        return _current(job, at)  # its end waits for the next tick
    return newest


def _alike(one: Standing, other: Standing) -> bool:
    return (one.enabled, one.overridden, one.until, one.rejected, one.removed) == (
        other.enabled,
        other.overridden,
        other.until,
        other.rejected,
        other.removed,
    )


def _current(job: Job, at: datetime) -> Standing:
    """Return what a job is by what is in force now, at an instant that is not before it."""
    if job.removed_at is not None:
        return Standing(job.removed_at, enabled=False, removed=True)
    override = job.override
    if override and (override.until is None or at <= override.until):
        return Standing(
            override.at, override.enabled, True, override.by, override.reason, override.until, job.rejected
        )
    since = override.until if override else None
    return Standing(since, job.spec.enabled, rejected=job.rejected, revision=job.revision)
