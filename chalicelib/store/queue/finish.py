"""Ends: finish an attempt, release a claim, cancel a run; and finish with the next claim in one transaction.

`finish_and_claim` takes one commit. On PostgreSQL both are sent at once, in one round trip, unless a log waits
to be written with the end or a pooler that shares sessions stands between.

After a crash: the end, its row for Life Hub and the claim are there together or not at all. A finish that does
not hold the lease's owner and generation changes nothing.

Limit: a next run that has to be decided about (overlap) is claimed in a transaction that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from chalicelib.model.jobs import JobSpec, Overlap
from chalicelib.model.runs import Outcome, Run, RunId, RunState, Verdict
from chalicelib.store import outbox
from chalicelib.store.database import Store, Tx
from chalicelib.store.postgres import engine, statements
from chalicelib.store.schema import QUEUED, RUNNING, attempts, job_queue
from chalicelib.text import storable

from . import claims
from .claims import Claim

ERROR_CHARS = 5000
ERROR_TYPE_CHARS = 255

_q = job_queue.c


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
    """Return when this attempt's end was recorded, or None; wait for a transaction that is recording it."""
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
    """Record an attempt's end: final, or queued again for `retry_at`. Return False if the lease was taken over."""
    if tx.dialect.name == "postgresql":
        return statements.finish(tx, ending(run, verdict, owner=owner, now=now, retry_at=retry_at))
    if retry_at is not None and (why := tx.execute(_cancelled, {"run": run.id}).scalar()):
        retry_at = None  # a cancelled run is not tried again
        verdict = replace(verdict, outcome=Outcome.CANCELLED, error=why, error_type="cancelled")
    state = RunState.QUEUED if retry_at else _FINAL_STATE[verdict.outcome]
    error = _text(verdict.error, ERROR_CHARS)
    error_type = _text(verdict.error_type, ERROR_TYPE_CHARS)
    updated = tx.execute(
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
    if updated.rowcount != 1:
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
    """Return what `statements` records of an attempt's end, with `facts` also for Life Hub."""
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

_release = (
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
        tx.execute(_release, {"run": run.id, "owner": owner, "generation": run.lease_generation}).rowcount
        != 1
    ):
        return False
    tx.execute(delete(attempts).where(attempts.c.run_id == run.id, attempts.c.number == run.attempt))
    return True


def request_cancel(tx: Tx, run_id: RunId, *, why: str, now: datetime) -> RunState | None:
    """Cancel a queued run, or ask the owner of a running one to stop it. Return its state before, if anything changed."""
    # no other transaction moves it before this one ends
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


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended: for good, or until `retry_at`. `publish`: it is copied to Life Hub, with its `tail`."""

    run: Run
    spec: JobSpec | None
    verdict: Verdict
    owner: str
    now: datetime
    retry_at: datetime | None
    publish: bool
    tail: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of an end: whether the lease was still held, and what was claimed after it."""

    recorded: bool
    claim: Claim = field(default=Claim(None))


def finish_and_claim(
    store: Store,
    end: End,
    *,
    flush: Callable[[Tx], None] | None,
    claim: bool,
    on_unconfirmed: Callable[[datetime], None] = lambda _at: None,
) -> Finished:
    """Record an end after what `flush` writes, and claim the next run if `claim` is set.

    `on_unconfirmed` is given the instant of a claim whose COMMIT got no reply after the end was recorded.
    """
    if flush is None and store.pipelined and (end.spec is not None or not end.publish):
        recorded, following = store.again(lambda: _in_one_round_trip(store, end, claim=claim))
        return Finished(recorded, following or _claim_after(store, end, on_unconfirmed))
    return store.writing(lambda tx: _one_by_one(tx, end, flush, claim=claim))


def _one_by_one(tx: Tx, end: End, flush: Callable[[Tx], None] | None, *, claim: bool) -> Finished:
    if flush:
        flush(tx)
    recorded = finish(tx, end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at)
    if recorded and end.publish:
        outbox.put_attempt(tx, end.run, end.verdict, now=end.now)
    return Finished(recorded, claims.claim(tx, owner=end.owner, now=end.now) if claim else Claim(None))


def _in_one_round_trip(store: Store, end: End, *, claim: bool) -> tuple[bool, Claim | None]:
    """Return whether the end was recorded, and the claim; None for one that needs a transaction of its own."""
    facts = (
        outbox.facts_of(end.run, end.verdict, end.spec.record, tail=end.tail, now=end.now)
        if end.publish and end.spec
        else None
    )
    ended = ending(end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at, facts=facts)
    # the next run is likely to be of such a job, too
    alone = end.spec is None or end.spec.overlap is not Overlap.ALLOW
    with engine.direct(store.engine) as connection:
        recorded, taken = statements.finish_and_take(connection, ended, take=claim, alone=alone)
    return recorded, None if taken and taken.run is None else Claim(taken.run if taken else None)


def _claim_after(store: Store, end: End, on_unconfirmed: Callable[[datetime], None]) -> Claim:
    try:
        return store.writing(lambda tx: claims.claim(tx, owner=end.owner, now=end.now))
    except SQLAlchemyError:  # the end is recorded; the next look claims
        on_unconfirmed(end.now)
        return Claim(None)
