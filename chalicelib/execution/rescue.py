"""Rescue: end the attempts of runners that are gone, so that their runs are tried again.

One pass:
1. Read the leases of other owners, and own leases that no attempt in this process stands behind.
2. Take the leases whose owner is certainly gone: the operating system freed its lock file on this machine,
   which it does when the owner and all processes it started have ended.
3. Let the detector say which of the other leases are dead: not renewed for a whole lease.
4. End each dead lease's attempt, on condition that this very lease (generation and heartbeat) still stands,
   and queue its run again while attempts remain.

Two rescuers, or a rescuer and the owner itself, end an attempt once: step 4 is one conditional write.
Limit: an owner on another machine that is cut off from the store but lives may still execute; it cannot
record anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.runs import Run
from chalicelib.store import Store, outbox
from chalicelib.store.queue import finish, leases
from chalicelib.store.queue.leases import Lease

from .retry import decide_retry
from .verdict import lost

log = logs.get(__name__)

LEASE_SECONDS = 30.0
SECOND_LOOK_SECONDS = 12.0  # longer than a heartbeat takes to come

_Identity = tuple[str, int, int]


def _identity(lease: Lease) -> _Identity:
    """Return what changes whenever a lease is claimed or renewed."""
    return lease.run_id, lease.generation, lease.beat


Wait = Callable[[float], object]
"""Waits some seconds. Returns True if the wait was cut short."""


class Detector(Protocol):
    """Says which leases are dead."""

    def dead(self, watched: Sequence[Lease], wait: Wait) -> list[Lease]:
        """Return the leases that are no longer renewed; `wait` pauses between two looks."""


class StandstillDetector:
    """For a store that is a file: the wall clock of its machine may be set, so only a monotonic clock counts.

    A lease is dead when it was seen, over several passes, to stand still for a whole lease.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[_Identity, float] = {}  # by the monotonic clock

    def dead(self, watched: Sequence[Lease], _wait: Wait) -> list[Lease]:
        """Return the leases that stood still for a whole lease."""
        now = self._clock.monotonic()
        self._since = {one: self._since.get(one, now) for one in map(_identity, watched)}
        return [lease for lease in watched if now - self._since[_identity(lease)] >= LEASE_SECONDS]


class ExpiryDetector:
    """For a database server: leases expire by the server's clock, which all owners share.

    An owner whose server was away could not renew its leases. So an expired lease is dead only if the store
    takes writes now, and the lease still stands after a pause in which its owner could have renewed it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def dead(self, watched: Sequence[Lease], wait: Wait) -> list[Lease]:
        """Return the leases that have expired and still stand at a second look.

        None are dead if the wait was cut short.
        """
        now = self._clock.now()
        expired = [lease for lease in watched if (now - lease.renewed_at).total_seconds() >= LEASE_SECONDS]
        if not expired:
            return []
        with self._store.write() as tx:
            expired = [lease for lease in expired if leases.held(tx, lease)]
        if wait(SECOND_LOOK_SECONDS):
            return []
        with self._store.read() as tx:
            standing = set(map(_identity, leases.running(tx)))
        return [lease for lease in expired if _identity(lease) in standing]


class Rescuer:
    """Rescues the runs of other owners."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        detector: Detector,
        *,
        owner: str,
        gone: Callable[[str], bool],
        holds: Callable[[str], bool] = lambda _run_id: True,
        publish: bool = False,
    ) -> None:
        """Rescue in the name of `owner`.

        `gone` says of another owner that it is certainly gone, `holds` of a run that this process has an
        attempt of it under way. With `publish`, the ends are also put into Life Hub's outbox.
        """
        self._store = store
        self._clock = clock
        self._detector = detector
        self._owner = owner
        self._gone = gone
        self._holds = holds
        self._publish = publish

    def rescue_gone(self) -> list[Run]:
        """End the attempts of owners that are certainly gone, and return their runs."""
        return self.rescue([lease for lease in self._watched() if self._gone(lease.owner)])

    def rescue_dead(self, wait: Wait) -> list[Run]:
        """End the attempts of owners that are certainly gone or renew no longer, and return their runs."""
        watched = self._watched()
        gone = [lease for lease in watched if self._gone(lease.owner)]
        others = [lease for lease in watched if lease not in gone]
        return self.rescue([*gone, *self._detector.dead(others, wait)])

    def rescue(self, dead: Sequence[Lease]) -> list[Run]:
        """End the attempts of dead leases, each in a transaction of its own, and return their runs."""
        return [run for lease in dead if (run := self._end(lease))]

    def _watched(self) -> list[Lease]:
        with self._store.read() as tx:
            running = leases.running(tx)
        return [lease for lease in running if lease.owner != self._owner or not self._holds(lease.run_id)]

    def _end(self, lease: Lease) -> Run | None:
        with self._store.write() as tx:
            run = leases.held(tx, lease)
            if run is None:
                return None
            now = self._clock.now()
            verdict = lost(run, owner=lease.owner)
            retry_at = decide_retry(run, verdict, None, now=now)
            recorded = finish.finish(tx, run, verdict, owner=lease.owner, now=now, retry_at=retry_at)
            if recorded and self._publish:
                outbox.put_attempt(tx, run, verdict, now=now)
        log.warning(
            "run.rescued",
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            owner=lease.owner,
            retried=retry_at is not None,
        )
        return run
