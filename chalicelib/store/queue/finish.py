"""Ends: finish an attempt, release a claim, cancel a run; and finish with the next claim in one transaction.

`finish_and_claim` takes one commit. On PostgreSQL both are sent at once, in one round trip, unless
something waits to be written with the end or a pooler that shares sessions stands between.

After a crash: the end, its row for Life Hub and the claim are there together or not at all. A finish that
does not hold the lease's owner and generation changes nothing.

Limit: a next run that has to be decided about (overlap) is claimed in a transaction that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from chalicelib.model.jobs import JobSpec, Overlap
from chalicelib.model.runs import Run, RunId, RunState, Verdict
from chalicelib.store import outbox
from chalicelib.store.database import Store, Tx
from chalicelib.store.driver import Statement
from chalicelib.store.history import as_run
from chalicelib.store.postgres import engine, statements
from chalicelib.store.schema import QUEUED, RUNNING, attempts, job_queue

from . import attempt_end, claims, outage
from .claims import Claim

_q = job_queue.c


_end_run = Statement(attempt_end.end_run(final=True))
_end_or_retry = Statement(attempt_end.end_run(final=False))
_end_attempt = Statement(
    update(attempts)
    .where(attempts.c.run_id == bindparam("of"), attempts.c.number == attempt_end.NUMBER)
    .values(
        outcome=bindparam("as_outcome"),
        error=bindparam("as_error"),
        error_type=bindparam("as_type"),
        **attempt_end.OF_THE_PROCESS,
    )
)


def ended_at(tx: Tx, run: Run) -> datetime | None:
    """Return when this attempt's end was recorded, or None; wait for a transaction that is recording it."""
    tx.execute(select(_q.id).where(_q.id == run.id).with_for_update())
    own = (attempts.c.run_id == run.id, attempts.c.number == run.attempt)
    ended: datetime | None = tx.execute(select(attempts.c.finished_at).where(*own)).scalar()
    return ended


def finish(
    tx: Tx, run: Run, verdict: Verdict, *, owner: str, now: datetime, retry_at: datetime | None
) -> bool:
    """Record an attempt's end: final, or queued for `retry_at`; return False if the lease was taken over."""
    values = attempt_end.values(run, verdict, owner=owner, now=now, retry_at=retry_at)
    if tx.dialect.name == "postgresql":
        return statements.finish(tx, values)
    ended = (_end_run if retry_at is None else _end_or_retry).first(tx, values)
    if ended is None:
        return False
    said = {"of": ended.id, "as_outcome": ended.outcome, "as_error": ended.error, "as_type": ended.error_type}
    _end_attempt.changed(tx, values | said)
    return True


_release = (
    update(job_queue)
    .where(attempt_end.HELD)
    .values(
        state=RunState.QUEUED,
        lease_owner=None,
        dispatched_until=None,
        attempt=_q.attempt - 1,
        started_at=case((_q.attempt == 1, None), else_=_q.started_at),
    )
)


def release(tx: Tx, run: Run, *, owner: str) -> bool:
    """Release a claimed run whose attempt was not started: as if it had not been claimed."""
    if (
        tx.execute(_release, {"run": run.id, "owner": owner, "generation": run.lease_generation}).rowcount
        != 1
    ):
        return False
    tx.execute(delete(attempts).where(attempts.c.run_id == run.id, attempts.c.number == run.attempt))
    return True


def request_cancel(tx: Tx, run_id: RunId, *, why: str, now: datetime) -> RunState | None:
    """Cancel a queued run, or ask the owner of a running one to stop; return its state before, if changed."""
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
class AttemptEnd:
    """How an attempt ended: for good, or until `retry_at`. With `publish` it is copied to Life Hub."""

    run: Run
    spec: JobSpec | None
    verdict: Verdict
    owner: str
    now: datetime
    retry_at: datetime | None
    publish: bool
    tail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an end, and what was claimed after it.

    `recorded` is false if the lease was taken over; `retry_at` is None for a final end.
    """

    recorded: bool
    retry_at: datetime | None = None
    claim: Claim = field(default=Claim(None))


def finish_and_claim(
    store: Store,
    end: AttemptEnd,
    *,
    flush: Callable[[Tx], None] | None,
    claim: bool,
    on_unconfirmed: Callable[[datetime], None] = lambda _at: None,
) -> Ended:
    """Record an end after what `flush` writes, and claim the next run if `claim` is set.

    `on_unconfirmed` is given the instant of a claim whose COMMIT got no reply after the end was recorded.
    """
    if flush or not store.pipelined or (end.publish and end.spec is None):
        recorded, following = store.writing(lambda tx: _one_by_one(tx, end, flush, claim=claim))
    else:
        recorded, due = store.again(lambda: _in_one_round_trip(store, end, claim=claim))
        if due is None or due.taken:
            following = Claim(as_run(due) if due else None)
        else:
            following = _claim_after(store, end, on_unconfirmed)
    return Ended(recorded, end.retry_at if recorded else None, following)


def _one_by_one(
    tx: Tx, end: AttemptEnd, flush: Callable[[Tx], None] | None, *, claim: bool
) -> tuple[bool, Claim]:
    if flush:
        flush(tx)
    recorded = finish(tx, end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at)
    if recorded and end.publish:
        outbox.put_attempt(tx, end.run, end.verdict, now=end.now)
    return recorded, claims.claim(tx, owner=end.owner, now=end.now) if claim else Claim(None)


def _in_one_round_trip(store: Store, end: AttemptEnd, *, claim: bool) -> tuple[bool, Any | None]:
    """Return whether the end was recorded, and the row of the next run, claimed or to be decided about."""
    ended = attempt_end.values(end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at)
    if end.publish and end.spec:
        facts = outbox.facts_of(end.run, end.verdict, end.spec.record, tail=end.tail, now=end.now)
        ended |= {"facts": facts, "job": end.run.job_id, "revision": end.run.revision}
    # the next run is likely to be of such a job, too
    alone = end.spec is None or end.spec.overlap is not Overlap.ALLOW
    with store.observed(), engine.direct(store.engine) as connection:
        recorded, due = statements.finish_and_take(
            connection, ended | outage.instants(end.now), take=claim, alone=alone
        )
    if recorded and store.observer is not None:
        store.observer.wrote()
    return recorded, due


def _claim_after(store: Store, end: AttemptEnd, on_unconfirmed: Callable[[datetime], None]) -> Claim:
    try:
        return store.writing(lambda tx: claims.claim(tx, owner=end.owner, now=end.now))
    except SQLAlchemyError:  # the end is recorded; the next look claims
        on_unconfirmed(end.now)
        return Claim(None)
