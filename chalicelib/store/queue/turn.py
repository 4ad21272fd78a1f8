"""An attempt's end and the claim of the run that is due next, as one transaction and thereby one commit.

On PostgreSQL both are sent at once: one journey to the server. Only where a log waits to be written with the
end, or a pooler that shares sessions stands between, it takes one journey for each statement.

After a crash: the end, its row for Life Hub and the claim are there together or not at all.
Limit: what is due next but has to be decided about (overlap) is claimed in a transaction that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.model.jobs import JobSpec, Overlap
from chalicelib.model.runs import Run, Verdict
from chalicelib.store import outbox
from chalicelib.store.database import Store, Tx
from chalicelib.store.postgres import engine, statements

from . import claims, finish
from .claims import Claim


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended: for good or until `retry_at`. With `publish` it is to be copied to Life Hub, with its last output."""

    run: Run
    spec: JobSpec | None
    verdict: Verdict
    owner: str
    now: datetime
    retry_at: datetime | None
    publish: bool
    tail: str


def record(
    store: Store,
    end: End,
    *,
    flush: Callable[[Tx], None] | None,
    claim: bool,
    on_unconfirmed: Callable[[datetime], None] = lambda _at: None,
) -> tuple[bool, Claim]:
    """Record an end after what `flush` writes; return whether the lease was still held, and the next claim if one is wanted.

    `on_unconfirmed` is told the instant of a claim that may have been made although the end alone is answered.
    """
    if flush is None and store.pipelined and (end.spec is not None or not end.publish):
        kept, following = store.again(lambda: _at_once(store, end, claim=claim))
        return kept, following if following is not None else _claimed_after(store, end, on_unconfirmed)
    return store.writing(lambda tx: _in_turn(tx, end, flush, claim=claim))


def _in_turn(tx: Tx, end: End, flush: Callable[[Tx], None] | None, *, claim: bool) -> tuple[bool, Claim]:
    if flush:
        flush(tx)
    kept = finish.finish(tx, end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at)
    if kept and end.publish:
        outbox.put_attempt(tx, end.run, end.verdict, now=end.now)
    return kept, claims.claim(tx, owner=end.owner, now=end.now) if claim else Claim(None)


def _at_once(store: Store, end: End, *, claim: bool) -> tuple[bool, Claim | None]:
    """Return None for a claim that has to be decided about, in a transaction of its own."""
    facts = (
        outbox.facts_of(end.run, end.verdict, end.spec.record, tail=end.tail, now=end.now)
        if end.publish and end.spec
        else None
    )
    ended = finish.ending(
        end.run, end.verdict, owner=end.owner, now=end.now, retry_at=end.retry_at, facts=facts
    )
    # the next run is likely to be of such a job, too
    alone = end.spec is None or end.spec.overlap is not Overlap.ALLOW
    with engine.direct(store.engine) as connection:
        kept, taken = statements.finish_and_take(connection, ended, take=claim, alone=alone)
    return kept, None if taken and taken.run is None else Claim(taken.run if taken else None)


def _claimed_after(store: Store, end: End, on_unconfirmed: Callable[[datetime], None]) -> Claim:
    try:
        return store.writing(lambda tx: claims.claim(tx, owner=end.owner, now=end.now))
    except SQLAlchemyError:  # the end is recorded: who looks next claims
        on_unconfirmed(end.now)
        return Claim(None)
