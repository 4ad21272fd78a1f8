"""Runs entering the queue and leaving it: put, finish, hand back, cancel, forget. Taking them is in `claims`.

The tables make it true: a second insert for one occurrence does nothing, and a finish that does not hold the
lease's owner and generation changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from chalicelib.model.runs import OCCURRENCES, Outcome, Run, RunId, RunState, Verdict
from chalicelib.store.database import Tx
from chalicelib.store.postgres import statements
from chalicelib.store.postgres.engine import hold_ledger
from chalicelib.store.schema import QUEUED, RUNNING, attempts, job_queue, jobs, periods
from chalicelib.text import storable

ERROR_CHARS = 5000
ERROR_TYPE_CHARS = 255

_q = job_queue.c


def put(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert runs, ignoring occurrences and idempotency keys that have one already; return how many were new."""
    if not rows:
        return 0
    new = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    return tx.execute(new(job_queue).on_conflict_do_nothing(), list(rows)).rowcount


_next_due = select(func.min(_q.due_at)).where(_q.state == QUEUED, _q.due_at > bindparam("now"))


def next_due(tx: Tx, *, now: datetime) -> datetime | None:
    """Return the earliest due time after `now`: those due before wait for something else than time."""
    due: datetime | None = tx.execute(_next_due, {"now": now}).scalar()
    return due


_held = and_(
    _q.id == bindparam("run"),
    _q.state == RUNNING,
    _q.lease_owner == bindparam("owner"),
    _q.lease_generation == bindparam("generation"),
)
_finish = (
    update(job_queue)
    .where(_held)
    .values(
        state=bindparam("to"),
        due_at=func.coalesce(bindparam("retry_at", type_=_q.due_at.type), _q.due_at),
        finished_at=bindparam("ended"),
        lease_owner=None,
        dispatched_until=None,  # the message that brought this attempt is used up
        error=bindparam("error"),
        error_type=bindparam("error_type"),
        result=bindparam("result"),
    )
)
_end_attempt = (
    update(attempts)
    .where(attempts.c.run_id == bindparam("run"), attempts.c.number == bindparam("nth"))
    .values(
        finished_at=bindparam("now"),
        outcome=bindparam("outcome"),
        exit_code=bindparam("code"),
        signal=bindparam("sig"),
        error=bindparam("error"),
        error_type=bindparam("error_type"),
        max_rss_kb=bindparam("rss"),
        cpu_seconds=bindparam("cpu"),
    )
)


def ended_at(tx: Tx, run: Run) -> datetime | None:
    """Return when this attempt's end was recorded, or None; an end that is being recorded is waited for."""
    tx.execute(select(_q.id).where(_q.id == run.id).with_for_update())
    own = (attempts.c.run_id == run.id, attempts.c.number == run.attempt)
    ended: datetime | None = tx.execute(select(attempts.c.finished_at).where(*own)).scalar()
    return ended


_cancelled = select(_q.cancel_reason).where(_q.id == bindparam("run"))


def _text(value: str | None, most: int) -> str | None:
    """Return what a store can hold of a text: no lone surrogate, no NUL, not too long."""
    return str(storable(value))[:most] if value else None


def finish(
    tx: Tx, run: Run, verdict: Verdict, *, owner: str, now: datetime, retry_at: datetime | None
) -> bool:
    """Record an attempt's end: final, or queued again for `retry_at`. Answer False if the lease was taken over meanwhile."""
    if tx.dialect.name == "postgresql":
        return statements.finish(tx, ending(run, verdict, owner=owner, now=now, retry_at=retry_at))
    if retry_at is not None and (why := tx.execute(_cancelled, {"run": run.id}).scalar()):
        retry_at = None  # somebody cancelled it meanwhile: it is not tried again
        verdict = replace(verdict, outcome=Outcome.CANCELLED, error=why, error_type="cancelled")
    state = RunState.QUEUED if retry_at else _FINAL_STATE[verdict.outcome]
    error = _text(verdict.error, ERROR_CHARS)
    error_type = _text(verdict.error_type, ERROR_TYPE_CHARS)
    kept = tx.execute(
        _finish,
        {
            "run": run.id,
            "owner": owner,
            "generation": run.lease_generation,
            "to": state,
            "retry_at": retry_at,
            "ended": None if retry_at else now,
            "error": error,
            "error_type": error_type,
            "result": storable(verdict.result),
        },
    )
    if kept.rowcount != 1:
        return False
    tx.execute(
        _end_attempt,
        {
            "run": run.id,
            "nth": run.attempt,
            "now": now,
            "outcome": verdict.outcome,
            "code": verdict.exit_code,
            "sig": verdict.signal,
            "error": error,
            "error_type": error_type,
            "rss": verdict.max_rss_kb,
            "cpu": verdict.cpu_seconds,
        },
    )
    return True


def ending(
    run: Run,
    verdict: Verdict,
    *,
    owner: str,
    now: datetime,
    retry_at: datetime | None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what `one_statement` records of an attempt's end, with `facts` also for Life Hub."""
    state = RunState.QUEUED if retry_at else _FINAL_STATE[verdict.outcome]
    texts = {
        "error": _text(verdict.error, ERROR_CHARS),
        "error_type": _text(verdict.error_type, ERROR_TYPE_CHARS),
    }
    return statements.ending(
        run, verdict, owner=owner, now=now, retry_at=retry_at, facts=facts, to=state, **texts
    )


_FINAL_STATE = {outcome: RunState(outcome) for outcome in Outcome if outcome is not Outcome.INTERRUPTED} | {
    Outcome.INTERRUPTED: RunState.FAILED
}

_hand_back = (
    update(job_queue)
    .where(_held)
    .values(
        state=RunState.QUEUED,
        lease_owner=None,
        dispatched_until=None,
        attempt=_q.attempt - 1,
        started_at=case((_q.attempt == 1, None), else_=_q.started_at),
    )
)


def release(tx: Tx, run: Run, *, owner: str) -> bool:
    """Return a claimed run whose attempt was not started: as if it had not been claimed."""
    if (
        tx.execute(_hand_back, {"run": run.id, "owner": owner, "generation": run.lease_generation}).rowcount
        != 1
    ):
        return False
    tx.execute(delete(attempts).where(attempts.c.run_id == run.id, attempts.c.number == run.attempt))
    return True


def request_cancel(tx: Tx, run_id: RunId, *, why: str, now: datetime) -> RunState | None:
    """Cancel a queued run, or ask the owner of a running one to stop it. Answer the state it was in if anything changed."""
    # it stays in its state until this is over
    tx.execute(select(_q.id).where(_q.id == run_id).with_for_update())
    ended = tx.execute(
        update(job_queue)
        .where(_q.id == run_id, _q.state == QUEUED)
        .values(
            state=RunState.CANCELLED, cancel_reason=why, error=why, error_type="cancelled", finished_at=now
        )
    )
    if ended.rowcount:
        return RunState.QUEUED
    told = tx.execute(update(job_queue).where(_q.id == run_id, _q.state == RUNNING).values(cancel_reason=why))
    return RunState.RUNNING if told.rowcount else None


def forget_future(tx: Tx, job_ids: Sequence[str], *, after: datetime) -> None:
    """Delete queued occurrences that no one ever claimed and whose fire time is after `after`."""
    for some in (job_ids[i : i + 500] for i in range(0, len(job_ids), 500)):
        tx.execute(
            delete(job_queue).where(
                _q.job_id.in_(some),
                _q.state == QUEUED,
                _q.attempt == 0,
                _q.origin.in_(OCCURRENCES),
                _q.fire_at > after,
            )
        )


def take_back(tx: Tx, *, after: datetime, until: datetime) -> dict[str, datetime]:
    """Delete occurrences of enabled jobs in (after, until] that nobody ever claimed; return each job's first of them.

    Those of a schedule that is no longer in force stay: the one in force now would not have them again.
    """
    hold_ledger(tx)
    enabled = select(jobs.c.job_id).where(jobs.c.enabled, jobs.c.removed_at.is_(None))
    in_force_since = (
        select(periods.c.since)
        .where(periods.c.job_id == _q.job_id, periods.c.until.is_(None))
        .scalar_subquery()
    )
    gone = tx.execute(
        delete(job_queue)
        .where(
            _q.state == QUEUED,
            _q.attempt == 0,
            _q.origin.in_(OCCURRENCES),
            _q.fire_at > after,
            _q.fire_at <= until,
            _q.job_id.in_(enabled),
            _q.fire_at > in_force_since,
        )
        .returning(_q.job_id, _q.fire_at)
    )
    first: dict[str, datetime] = {}
    for row in gone:
        first[row.job_id] = min(row.fire_at, first.get(row.job_id, row.fire_at))
    return first
