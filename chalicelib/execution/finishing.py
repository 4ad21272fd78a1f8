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
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.backoff import Backoff
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run, Verdict
from chalicelib.store import Store
from chalicelib.store.queue import finish
from chalicelib.store.queue.finish import AttemptEnd, Ended
from chalicelib.store.queue.unconfirmed_claims import UnconfirmedClaims

from .retry import decide_retry
from .running_attempt import RunningAttempt

log = logs.get(__name__)

PAUSES = Backoff.doubling(timedelta(seconds=1), timedelta(seconds=10))  # while the store refuses


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

    def finish(
        self,
        attempt: RunningAttempt,
        spec: JobSpec | None,
        verdict: Verdict,
        *,
        claim_next: Callable[[], bool],
    ) -> Ended:
        """Record an attempt's end, however long the store refuses; `spec` is None if it could not be read.

        The first try also claims the next run if `claim_next` says so.
        """
        attempt.log.close()
        tried: list[datetime] = []
        while True:
            now = self._clock.now()
            claim = not tried and claim_next()
            try:
                with attempt.log.flushing:
                    recorded_at = self._ended_at(attempt.run) if tried else None
                    if recorded_at in tried:  # by an earlier try, whose COMMIT got no reply
                        ended = Ended(True, decide_retry(attempt.run, verdict, spec, now=recorded_at))
                    else:
                        ended = self._write(attempt, spec, verdict, now, claim=claim)
                    attempt.log.settled()
            except SQLAlchemyError as error:
                if claim:
                    self._unconfirmed.note(now)
                if not tried:
                    log.error("run.finish_not_stored", run_id=attempt.run.id, reason=logs.reason(error))  # noqa: TRY400 - the reason is enough
                tried.append(now)
                self._wait(PAUSES.delay(len(tried), 0).total_seconds())
            else:
                return ended

    def _ended_at(self, run: Run) -> datetime | None:
        with self._store.write() as tx:
            return finish.ended_at(tx, run)

    def _write(
        self, attempt: RunningAttempt, spec: JobSpec | None, verdict: Verdict, now: datetime, *, claim: bool
    ) -> Ended:
        run = attempt.run
        retry_at = decide_retry(run, verdict, spec, now=now)
        return finish.finish_and_claim(
            self._store,
            AttemptEnd(run, spec, verdict, self._owner, now, retry_at, self._publish, attempt.log.newest),
            flush=functools.partial(attempt.flush, owner=self._owner, now=now) if attempt.dirty else None,
            claim=claim,
            on_unconfirmed=self._unconfirmed.note,
        )
