"""Claims whose COMMIT got no reply: they may exist, but no thread runs them, so the next claim releases them.

A claim is known by its instant, at which its attempt began. A run that was claimed goes back to the queue and
lost no attempt. The commit may still be on its way, so an instant is looked for until no server would make it
any more. After a crash these are leases that no one renews.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, select

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.store.database import Tx
from chalicelib.store.history import as_run
from chalicelib.store.schema import RUNNING, attempts, job_queue

from . import finish

log = logs.get(__name__)

LOOKED_FOR_SECONDS = 70.0  # longer than a server keeps a transaction that is not ended
_of_job = and_(attempts.c.run_id == job_queue.c.id, attempts.c.number == job_queue.c.attempt)


class UnconfirmedClaims:
    """The claims of one owner that may have been made. Safe to use from several threads."""

    def __init__(self, owner: str, clock: Clock) -> None:
        self._owner = owner
        self._clock = clock
        # by instant: until when, on the monotonic clock, they are looked for
        self._claims: dict[datetime, float] = {}

    def note(self, claimed_at: datetime) -> None:
        """Keep in mind a transaction that claimed at an instant and ended in an error."""
        self._claims[claimed_at] = self._clock.monotonic() + LOOKED_FOR_SECONDS

    def release(self, tx: Tx) -> None:
        """Release what was claimed at these instants."""
        for claimed_at, until in list(self._claims.items()):
            held = (
                job_queue.c.state == RUNNING,
                job_queue.c.lease_owner == self._owner,
                attempts.c.started_at == claimed_at,
            )
            for row in tx.execute(select(job_queue).join(attempts, _of_job).where(*held)):
                run = as_run(row)
                if finish.release(tx, run, owner=self._owner):
                    log.info("run.released", run_id=run.id, job_id=run.job_id)
            if self._clock.monotonic() > until:
                self._claims.pop(claimed_at, None)
