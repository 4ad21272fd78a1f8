"""Keep the store small between prunes: forget runners that are long gone, and shorten the write-ahead log."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.clock import Clock
from chalicelib.store import Store, runners

RUNNER_FORGOTTEN = timedelta(minutes=10)


def tidy(store: Store, clock: Clock) -> None:
    """Forget runners that were not seen for `RUNNER_FORGOTTEN`, and checkpoint a file store."""
    with store.write() as tx:
        runners.forget_runners(tx, before=clock.now() - RUNNER_FORGOTTEN)
    store.checkpoint()
