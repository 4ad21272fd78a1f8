"""This process as a runner among others: joining, being seen, being drained, leaving.

A runner holds a lock file that the operating system frees with the process (`peers`), and has a row that
`/status` shows. After a crash the lock is free and the row is old; another runner's upkeep removes both.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime

from chalicelib import __version__
from chalicelib.clock import Clock
from chalicelib.store import Store, outbox, runners

from .peers import Peers
from .waker import Waker


class Membership:
    """One process's place among the runners of a store."""

    def __init__(self, store: Store, clock: Clock, peers: Peers, waker: Waker, *, name: str) -> None:
        self._store = store
        self._clock = clock
        self._peers = peers
        self._waker = waker
        self._name = name
        self._started_at: datetime | None = None
        self._revision: str | None = None

    @property
    def started_at(self) -> datetime | None:
        """When this process joined; None while it has not."""
        return self._started_at

    def join(self) -> None:
        """Become a runner: hold the lock, listen for wake-ups, appear in `/status`.

        All jobs are copied to Life Hub once more.
        """
        self._peers.join(self._name)
        self._started_at = now = self._clock.now()
        with self._store.write() as tx:
            outbox.put_jobs(tx, now=now, again=True)
        self.seen()

    def leave(self) -> None:
        """Be a runner no longer."""
        with self._store.write() as tx:
            runners.runner_gone(tx, self._name)
        self._peers.leave()
        self._waker.wake()

    def preloaded(self, sha: str) -> None:
        """Show from now on that this revision is loaded here."""
        self._revision = sha
        self.seen()

    def seen(self) -> None:
        """Note in the store that this runner is alive; nothing before it joined."""
        if self._started_at is None:
            return
        with self._store.write() as tx:
            runner = runners.Runner(
                self._name,
                socket.gethostname(),
                os.getpid(),
                __version__,
                self._started_at,
                self._clock.now(),
                self._revision,
            )
            runners.runner_seen(tx, runner)

    def draining(self) -> bool:
        """Say whether this runner is to claim nothing more."""
        with self._store.read() as tx:
            return runners.draining(tx, self._name)

    def forget(self, owners: frozenset[str]) -> None:
        """Forget the runners of this machine that are gone, but for `owners`, who still hold leases."""
        for name in self._peers.sweep(owners):
            with self._store.write() as tx:
                runners.runner_gone(tx, name)
