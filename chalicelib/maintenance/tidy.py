"""Keep the store small: add up what ended, forget runners that are long gone, shorten the write-ahead log."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.clock import Clock
from chalicelib.store import Store, run_totals, runners

RUNNER_FORGOTTEN = timedelta(minutes=10)
BATCH = 2000  # ended runs added to the totals in one transaction
MOST_BATCHES = 50


def tidy(store: Store, clock: Clock) -> None:
    """Add ended runs to the totals, forget runners unseen for `RUNNER_FORGOTTEN`, checkpoint a file store."""
    for _ in range(MOST_BATCHES):
        with store.write() as tx:
            if run_totals.fold(tx, most=BATCH) < BATCH:
                break
    with store.write() as tx:
        runners.forget_runners(tx, before=clock.now() - RUNNER_FORGOTTEN)
    store.checkpoint()
