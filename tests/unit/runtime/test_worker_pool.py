"""The dispatcher makes processes for what is soon due, and no more than workers are free."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.runtime.threads import Threads
from chalicelib.runtime.worker_pool import WorkerPool
from chalicelib.settings import Settings
from chalicelib.store.queue import enqueue
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wiring import RUNNER, Sauron, build
from tests.conftest import ManualClock


class Preparing:
    """Notes what is asked of the revisions."""

    def __init__(self, real: Any) -> None:
        self.asked: list[int] = []
        self.close = real.close

    def prepare(self, count: int) -> None:
        self.asked.append(count)


@pytest.fixture
def sauron(tmp_path: Path, clock: ManualClock) -> Iterator[Sauron]:
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3", "SAURON_WORKERS": "3"}
    made = build(Settings.read(environ), runtime=RUNNER)
    made.store.migrate()
    made.peers.join(made.name)
    yield dataclasses.replace(made, clock=clock)
    made.close()


def put(sauron: Sauron, count: int, *, seconds: float) -> None:
    now = sauron.clock.now()
    row = {"job_id": "j", "state": "queued", "origin": "trigger", "max_attempts": 1, "created_at": now}
    due = now + timedelta(seconds=seconds)
    with sauron.store.write() as tx:
        enqueue.put(tx, [row | {"id": f"{seconds}-{n}", "due_at": due} for n in range(count)])


@pytest.mark.parametrize(
    ("due", "later", "asked"),
    [(2, 5, [2]), (5, 0, [5]), (20, 0, [18]), (0, 5, [])],
    ids=["what is due", "more than there are workers", "six for a worker", "nothing for what is due later"],
)
def test_processes_are_made_for_runs_that_are_soon_due(
    sauron: Sauron, clock: ManualClock, due: int, later: int, asked: list[int]
) -> None:
    put(sauron, due, seconds=0.05)
    put(sauron, later, seconds=1.2)
    preparing = Preparing(sauron.revisions)
    pool = WorkerPool(
        dataclasses.replace(sauron, revisions=preparing),  # type: ignore[arg-type]
        Vitals(clock),
        Threads(),
    )
    pool._claiming.set()
    pool._look()
    assert preparing.asked == asked
