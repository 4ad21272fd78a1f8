"""A sync of very many jobs on SQLite to revisions that change a few of them.

The bundle is loaded before the measuring begins: what a manifest of so many jobs takes is its own.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Collection
from typing import Any

from chalicelib import logs
from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.sync import sync
from chalicelib.store import Store
from tests.bench.measuring import say
from tests.conftest import ManualClock, job_record

ROUNDS = 5


class _Bundle:
    """The branch of a bundle whose every commit is given as the records of its jobs."""

    followed = "main"

    def __init__(self, count: int) -> None:
        self._number = 0
        self._minutes = [number % 60 for number in range(count)]
        self._loaded = Loaded((), ())

    def commit(self, changed: int) -> None:
        """Move the first jobs by a minute."""
        self._number += 1
        for place in range(changed):
            self._minutes[place] = (self._minutes[place] + 1) % 60
        records = [
            job_record(f"job-{number:07}", f"{minute} 4 * * *") for number, minute in enumerate(self._minutes)
        ]
        self._loaded = Loaded(records, ())

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def fetch(self, _ref: str | None) -> str:
        return f"{self._number:040x}"

    def load(self, _sha: str) -> Loaded:
        return self._loaded

    def retire(self, keep: Collection[str]) -> None:
        pass


def bench_sync(jobs: int = 100_000, changed: int = 10) -> None:
    """Sync so many jobs into a new store, then revisions that change some of them."""
    logs.configure("WARNING")
    bundle, clock = _Bundle(jobs), ManualClock()
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store = Store(f"sqlite:///{name}/store.sqlite3")
        store.migrate()
        everything = _synced(store, clock, bundle, jobs)
        took = [_synced(store, clock, bundle, changed) for _ in range(ROUNDS)]
        store.close()
    say(f"sync of {jobs:,} jobs, all new", everything[0], "s CPU", f"{everything[1]:.1f} s")
    cpu, wall = (statistics.median(some) for some in zip(*took, strict=True))
    say(f"sync of {jobs:,} jobs, {changed} changed, median", cpu, "s CPU", f"{wall:.1f} s")


def _synced(store: Store, clock: ManualClock, bundle: Any, changed: int) -> tuple[float, float]:
    """Return what a sync to a new commit took: processor time and time on the clock, in seconds."""
    bundle.commit(changed)
    clock.move(seconds=60)
    cpu, wall = time.process_time(), time.perf_counter()
    report = sync(store, clock, bundle)
    took = time.process_time() - cpu, time.perf_counter() - wall
    if not report.success:
        raise RuntimeError(report.message)
    store.checkpoint(at_once=True)
    return took
