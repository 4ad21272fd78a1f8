"""The upkeep: rescue runs whose owner is gone, and keep the files tidy.

A rescue acts at once only when the owner's lock file on this machine is free (the operating system frees it
when the owner and all it started are gone), else when the lease has lapsed: on a file, when (generation,
beat) stood still for a whole lease by this process's monotonic clock; on a server, by the server's time, and
only if it still stands at a second look, so that owners whose server was away have the time to renew. An own
lease that no attempt here stands behind is treated like any other. The act itself is conditional on that very
lease.

Limit: an owner on another machine that is cut off from the store but lives may still execute; it cannot
record anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.runs import Outcome, Run, Verdict
from chalicelib.store import Store, outbox, runners
from chalicelib.store.queue import finish, leases
from chalicelib.store.queue.leases import Lease

log = logs.get(__name__)

LEASE_SECONDS = 30.0
SECOND_LOOK_SECONDS = 12.0  # longer than a beat takes to come
RUNNER_FORGOTTEN = timedelta(minutes=10)

Gone = Callable[[str], bool]


class Rescuer:
    """Watches the leases of other owners; where it goes by its own clock it keeps what it saw between passes."""

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

    def rescue(self, *, wait: Callable[[float], object] | None = None) -> list[Run]:
        """End the attempts of owners that are gone: `interrupted`, and queued again while attempts remain.

        Without a `wait` to look again after, which answers True if it was cut short, no lease on a server is
        held to have lapsed.
        """
        live = self._of_others()
        gone = [lease for lease in live if self._gone(lease.owner)]
        if self._store.sqlite:
            gone += self._stood_still([lease for lease in live if lease not in gone])
        elif wait and (lapsed := [lease for lease in live if lease not in gone and self._lapsed(lease)]):
            # a store that takes no writes takes no beats: then nobody is late
            with self._store.write() as tx:
                lapsed = [lease for lease in lapsed if leases.held(tx, lease)]
            still = set() if wait(SECOND_LOOK_SECONDS) else {_standing(lease) for lease in self._of_others()}
            gone += [lease for lease in lapsed if _standing(lease) in still]
        return [run for lease in gone if (run := self._end(lease))]

    def _of_others(self) -> list[Lease]:
        with self._store.read() as tx:
            return [
                one for one in leases.running(tx) if one.owner != self._owner or not self._holds(one.run_id)
            ]

    def _lapsed(self, lease: Lease) -> bool:
        return (self._clock.now() - lease.renewed_at).total_seconds() >= LEASE_SECONDS

    def _stood_still(self, live: list[Lease]) -> list[Lease]:
        now = self._clock.monotonic()
        seen: dict[str, tuple[Lease, float]] = {}
        for lease in live:
            before, since = self._seen.get(lease.run_id, (lease, now))
            stands = (before.generation, before.beat) == (lease.generation, lease.beat)
            seen[lease.run_id] = (before, since) if stands else (lease, now)
        self._seen = seen
        return [lease for lease in live if now - seen[lease.run_id][1] >= LEASE_SECONDS]

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
            kept = finish.finish(
                tx, run, verdict, owner=lease.owner, now=now, retry_at=now if again else None
            )
            if kept and self._publish:
                outbox.put_attempt(tx, run, verdict, now=now)
        log.warning(
            "run.rescued",
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            owner=lease.owner,
            retried=again,
        )
        return run


def _standing(lease: Lease) -> tuple[str, int, int]:
    return lease.run_id, lease.generation, lease.beat


def tidy(store: Store, clock: Clock) -> None:
    """Forget runners that are long gone, note that upkeep was done, and shorten the write-ahead log."""
    now = clock.now()
    with store.write() as tx:
        runners.forget_runners(tx, before=now - RUNNER_FORGOTTEN)
        runners.duty_done(tx, runners.UPKEEP, at=now)
    store.checkpoint()
