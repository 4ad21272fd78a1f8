"""PostgreSQL's statements and SQLite's decide alike, whatever a run, its job and the job's other runs are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from chalicelib.model.jobs import Overlap
from chalicelib.model.runs import Origin, RunState
from chalicelib.store import Store, bundle
from chalicelib.store.queue import claims, enqueue
from chalicelib.store.schema import attempts, job_queue, jobs
from tests.conftest import START, Databases, ManualClock, define

SHA = "a" * 40
RUNNING = {"state": RunState.RUNNING, "lease_owner": "other", "attempt": 1}
# Other runs of the job: what is there, and how many seconds after the run they were due.
OTHERS: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "nothing": [],
    "one running from before": [(-60, RUNNING)],
    "one running from before, told to stop": [(-60, RUNNING | {"cancel_reason": "enough"})],
    "one running that was due later": [(20, RUNNING)],
    "one running that was due at the same time": [(0, RUNNING)],
    "a newer one due": [(20, {})],
    "a newer one due and one running": [(20, {}), (-60, RUNNING)],
    "a retry that waits": [(600, {"attempt": 1})],
    "one that ended after this was due": [
        (-60, {"state": RunState.SUCCEEDED, "attempt": 1, "finished_at": START + timedelta(seconds=10)})
    ],
    "one that ended before this was due": [
        (-60, {"state": RunState.FAILED, "attempt": 1, "finished_at": START - timedelta(seconds=10)})
    ],
}
JOBS: dict[str, dict[str, Any] | None] = {
    "there": {},
    "off": {"enabled": False, "next_fire_at": None},
    "rejected": {"rejected": "cron has 4 fields"},
    "removed": {"removed_at": START, "next_fire_at": None},
    "unknown": None,
}
RUNS = [
    {"origin": origin, "attempt": attempt, "revision": revision, "force": force}
    for origin, (attempt, revision), force in itertools.product(
        (Origin.SCHEDULE, Origin.CATCHUP, Origin.TRIGGER), ((0, None), (1, SHA), (1, None)), (False, True)
    )
]


class _Undo(Exception):  # noqa: N818 - no error
    """Ends a transaction whose writes are not wanted."""


@pytest.fixture
def both(databases: Databases, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    stores = Store(f"sqlite:///{tmp_path}/store.sqlite3"), Store(databases.make())
    stores[0].migrate()
    yield stores
    for store in stores:
        store.close()
    databases.drop(str(stores[1].url.database))


def row(run_id: str, seconds: float, **columns: Any) -> dict[str, Any]:
    due = START + timedelta(seconds=seconds)
    return {
        "id": run_id,
        "job_id": "j",
        "state": RunState.QUEUED,
        "origin": Origin.SCHEDULE,
        "due_at": due,
        "fire_at": due if run_id == "m" else due + timedelta(microseconds=len(run_id)),
        "created_at": START,
        "max_attempts": 3,
    } | columns


def plain(reason: str | None) -> str | None:
    """Leave out which of several busy runs a reason names."""
    return reason and re.sub(r"run \w+ was not over", "a run was not over", reason)


def decided(tx: Connection, run: dict[str, Any], others: list[tuple[float, dict[str, Any]]]) -> Any:
    """Return what claims decide and take until nothing is left to decide, and what is in the table then."""
    rows = [row("m", 0, **run)]
    rows += [row(f"{'az'[due > 0]}{number}", due, **columns) for number, (due, columns) in enumerate(others)]
    for one in rows:
        enqueue.put(tx, [one])
        for number in range(1, one.get("attempt", 0) + 1):
            began = {"run_id": one["id"], "number": number, "started_at": START, "runner": "other"}
            tx.execute(insert(attempts), began)
    found: list[Any] = []
    while not found or any(found[-1]):
        claim = claims.claim(tx, owner="me", now=START + timedelta(seconds=30))
        ends = [(one.run_id, one.state, plain(one.reason)) for one in claim.decided]
        found.append((claim.run and claim.run.id, sorted(ends), sorted(claim.cancelled)))
    c = job_queue.c
    left = tx.execute(
        job_queue.select().with_only_columns(c.id, c.state, c.attempt, c.revision, c.cancel_reason, c.reason)
    )
    return found, sorted((*one[:-1], plain(one[-1])) for one in left)


@pytest.mark.parametrize("overlap", list(Overlap))
@pytest.mark.parametrize("job", JOBS)
def test_both_stores_decide_alike_about_every_kind_of_run(
    both: tuple[Store, Store], clock: ManualClock, overlap: Overlap, job: str
) -> None:
    for store in both:
        if (columns := JOBS[job]) is not None:
            define(store, clock, "j", "0 0 1 1 *", overlap=overlap.value)
        with store.write() as tx:
            bundle.change(tx, active_sha=SHA)
            if columns:
                tx.execute(update(jobs).values(columns))
    for run, others in itertools.product(RUNS, OTHERS):
        answers = []
        for store in both:
            with pytest.raises(_Undo), store.write() as tx:  # noqa: PT012 - what raises is the block
                answers.append(decided(tx, run, OTHERS[others]))
                raise _Undo
        assert answers[0] == answers[1], (run, others)
