"""The upkeep: rescue runs whose owner is gone, and keep the files tidy.

A rescue acts at once only when the owner's lock file on this machine is free (the operating system frees it when the owner and
all it started are gone), else when (generation, beat) stood still for a whole lease by this process's monotonic clock. An own
lease that no attempt here stands behind is treated like any other. The act itself is conditional on that very lease.

Limit: an owner on another machine that is cut off from the store but lives may still execute; it cannot record anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from . import logs
from .clock import Clock
from .runs import Outcome, Run, Verdict
from .store import Store, leases, outbox, presence, queue
from .store.leases import Lease

log = logs.get(__name__)

LEASE_SECONDS = 30.0
RUNNER_FORGOTTEN = timedelta(minutes=10)

Gone = Callable[[str], bool]


class Rescuer:
    """Watches the leases of other owners; keeps what it saw between passes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        owner: str,
        gone: Gone,
        holds: Callable[[str], bool] = lambda _run: True,
        publish: bool = False,
    ) -> None:
        """Watch for `owner`; `gone` says of another that it is certainly gone, `holds` whether a run is under way here."""
        self._publish = publish
        self._store = store
        self._clock = clock
        self._owner = owner
        self._gone = gone
        self._holds = holds
        self._seen: dict[str, tuple[Lease, float]] = {}

    def rescue(self) -> list[Run]:
        """End the attempts of owners that are gone: `interrupted`, and queued again while attempts remain."""
        with self._store.read() as tx:
            live = [one for one in leases.running(tx) if one.owner != self._owner or not self._holds(one.run_id)]
        now = self._clock.monotonic()
        seen: dict[str, tuple[Lease, float]] = {}
        rescued = []
        for lease in live:
            before, since = self._seen.get(lease.run_id, (lease, now))
            if (before.generation, before.beat) != (lease.generation, lease.beat):
                before, since = lease, now
            if self._gone(lease.owner) or now - since >= LEASE_SECONDS:
                run = self._end(lease)
                if run:
                    rescued.append(run)
            else:
                seen[lease.run_id] = (before, since)
        self._seen = seen
        return rescued

    def _end(self, lease: Lease) -> Run | None:
        with self._store.write() as tx:
            run = leases.held(tx, lease)
            if run is None:
                return None
            now = self._clock.now()
            if run.cancel_reason:
                verdict = Verdict(Outcome.CANCELLED, run.cancel_reason, "cancelled")
            else:
                verdict = Verdict(Outcome.INTERRUPTED, f"its runner {lease.owner} is gone", "interrupted")
            again = verdict.outcome is Outcome.INTERRUPTED and run.attempt < run.max_attempts
            kept = queue.finish(tx, run, verdict, owner=lease.owner, now=now, retry_at=now if again else None)
            if kept and self._publish:
                outbox.put_attempt(tx, run, verdict, now=now)
        log.warning("run.rescued", run_id=run.id, job_id=run.job_id, attempt=run.attempt, owner=lease.owner, retried=again)
        return run


def tidy(store: Store, clock: Clock) -> None:
    """Forget runners that are long gone, note that upkeep was done, and shorten the write-ahead log."""
    now = clock.now()
    with store.write() as tx:
        presence.forget_runners(tx, before=now - RUNNER_FORGOTTEN)
        presence.duty_done(tx, presence.UPKEEP, at=now)
    store.checkpoint()
