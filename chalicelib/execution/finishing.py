"""The way from "the attempt is over" to "the row says so".

1. Decide whether the run is tried again (`decide_retry`).
2. Write the rest of the log, the end, its row for Life Hub and the claim of the next run, in one transaction.
3. While the store refuses, keep the end in memory, wait, and begin at 1.

The end is written with a compare-and-set on the lease: a worker whose lease was taken over records nothing.
A COMMIT that got no reply may have been made, so before an end is written again it is looked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.backoff import Backoff
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run, Verdict
from chalicelib.store import Store
from chalicelib.store.queue import finish
from chalicelib.store.queue.claims import Claim
from chalicelib.store.queue.unconfirmed_claims import UnconfirmedClaims

from .retry import decide_retry
from .running_attempt import RunningAttempt

log = logs.get(__name__)

PAUSES = Backoff.doubling(timedelta(seconds=1), timedelta(seconds=10))  # while the store refuses


@dataclass(frozen=True, slots=True)
class Finished:
    """The outcome of `Finisher.finish`.

    `recorded` is false if the lease was taken over; `retry_at` is None for a final end.
    """

    recorded: bool
    retry_at: datetime | None
    claimed: Claim = field(default=Claim(None))


@dataclass(frozen=True, slots=True)
class End:
    """An attempt that is over, with its verdict. `spec` is None if the run's definition could not be read."""

    attempt: RunningAttempt
    spec: JobSpec | None
    verdict: Verdict

    @property
    def run(self) -> Run:
        """The run that the attempt was of."""
        return self.attempt.run


class Finisher:
    """Records ends under one owner name. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        owner: str,
        publish: bool,
        unconfirmed: UnconfirmedClaims,
        wait: Callable[[float], object],
    ) -> None:
        """With `publish`, every end is also put into Life Hub's outbox. `wait` is given seconds."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._publish = publish
        self._unconfirmed = unconfirmed
        self._wait = wait

    def finish(self, end: End, *, claim_next: Callable[[], bool]) -> Finished:
        """Record an end, however long the store refuses.

        The first try also claims the next run if `claim_next` says so.
        """
        end.attempt.log.close()
        tried: list[datetime] = []
        while True:
            now = self._clock.now()
            claim = not tried and claim_next()
            try:
                with end.attempt.log.flushing:
                    finished = self._already(end, tried) or self._write(end, now, claim=claim)
                    end.attempt.log.settled()
            except SQLAlchemyError as error:
                if claim:
                    self._unconfirmed.note(now)
                if not tried:
                    log.error("run.finish_not_stored", run_id=end.run.id, reason=logs.reason(error))  # noqa: TRY400 - the reason is enough
                tried.append(now)
                self._wait(PAUSES.delay(len(tried), 0).total_seconds())
            else:
                return finished

    def _already(self, end: End, tried: list[datetime]) -> Finished | None:
        """Look for an end of an earlier try, whose COMMIT got no reply."""
        if not tried:
            return None
        with self._store.write() as tx:
            at = finish.ended_at(tx, end.run)
        return Finished(True, decide_retry(end.run, end.verdict, end.spec, now=at)) if at in tried else None

    def _write(self, end: End, now: datetime, *, claim: bool) -> Finished:
        retry_at = decide_retry(end.run, end.verdict, end.spec, now=now)
        output = end.attempt.log
        done = finish.finish_and_claim(
            self._store,
            finish.AttemptEnd(
                end.run, end.spec, end.verdict, self._owner, now, retry_at, self._publish, output.newest
            ),
            flush=functools.partial(end.attempt.flush, owner=self._owner, now=now)
            if end.attempt.dirty
            else None,
            claim=claim,
            on_unconfirmed=self._unconfirmed.note,
        )
        return Finished(done.recorded, retry_at if done.recorded else None, done.claim)
