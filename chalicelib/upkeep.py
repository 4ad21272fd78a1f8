"""The upkeep: rescue runs whose owner is gone, prune what is old, keep the files tidy.

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
from .settings import Settings
from .store import Store, history, leases, output, presence, queue
from .store.leases import Lease

log = logs.get(__name__)

LEASE_SECONDS = 30.0
BATCH = 500  # rows pruned in one transaction
MOST_BATCHES = 20  # in one pass: the rest waits for the next minute
RUNNER_FORGOTTEN = timedelta(minutes=10)

Gone = Callable[[str], bool]


class Rescuer:
    """Watches the leases of other owners; keeps what it saw between passes."""

    def __init__(
        self, store: Store, clock: Clock, *, owner: str, gone: Gone, holds: Callable[[str], bool] = lambda _run: True
    ) -> None:
        """Watch for `owner`; `gone` says of another that it is certainly gone, `holds` whether a run is under way here."""
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
            queue.finish(tx, run, verdict, owner=lease.owner, now=now, retry_at=now if again else None)
        log.warning("run.rescued", run_id=run.id, job_id=run.job_id, attempt=run.attempt, owner=lease.owner, retried=again)
        return run


def prune(store: Store, clock: Clock, settings: Settings) -> int:
    """Delete runs and logs beyond their age, and a job's runs beyond their number, in small transactions; answer the runs."""
    now = clock.now()
    pruned = 0
    for _ in range(MOST_BATCHES):
        with store.write() as tx:
            chunks = output.prune(tx, before=now - settings.keep_logs, most=BATCH)
            gone = history.prune(tx, before=now - settings.keep_runs, most=BATCH)
        pruned += gone
        if max(chunks, gone) < BATCH:
            break
    with store.read() as tx:
        crowded = history.crowded_jobs(tx, keep=settings.keep_runs_per_job + BATCH // 10)
    for job_id in crowded[:MOST_BATCHES]:
        with store.write() as tx:
            pruned += history.prune_job(tx, job_id, keep=settings.keep_runs_per_job, most=BATCH)
    if pruned:
        log.info("runs.pruned", count=pruned)
    return pruned


def tidy(store: Store, clock: Clock) -> None:
    """Forget runners that are long gone, note that upkeep was done, and shorten the write-ahead log."""
    now = clock.now()
    with store.write() as tx:
        presence.forget_runners(tx, before=now - RUNNER_FORGOTTEN)
        presence.duty_done(tx, presence.UPKEEP, at=now)
    store.checkpoint()
