"""PostgreSQL's statements and SQLite's decide alike, whatever a run, its job and the job's other runs are."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

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


@pytest.fixture
def both(databases: Databases, empty_store: Path, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    shutil.copy(empty_store, tmp_path / "store.sqlite3")
    stores = Store(f"sqlite:///{tmp_path}/store.sqlite3"), Store(databases.make())
    yield stores
    for store in stores:
        store.close()
    databases.drop(str(stores[1].url.database))


def row(job_id: str, run: str, seconds: float, **columns: Any) -> dict[str, Any]:
    due = START + timedelta(seconds=seconds)
    return {
        "id": f"{job_id}-{run}",
        "job_id": job_id,
        "state": RunState.QUEUED,
        "origin": Origin.SCHEDULE,
        "due_at": due,
        "fire_at": due if run == "m" else due + timedelta(microseconds=1),
        "created_at": START,
        "max_attempts": 3,
        "attempt": 0,
        "revision": None,
        "force": False,
        "lease_owner": None,
        "cancel_reason": None,
        "finished_at": None,
    } | columns


def plain(reason: str | None) -> str | None:
    """Leave out which of several busy runs a reason names."""
    return reason and re.sub(r"run [\w-]+ was not over", "a run was not over", reason)


def decided(tx: Connection, kinds: dict[str, Any]) -> dict[str, list[Any]]:
    """Return, job by job, what claims decide and take until nothing is left, and what is there then."""
    rows = []
    for job_id, (run, others) in kinds.items():
        rows.append(row(job_id, "m", 0, **run))
        rows += [
            row(job_id, f"{'az'[due > 0]}{number}", due, **columns)
            for number, (due, columns) in enumerate(OTHERS[others])
        ]
    enqueue.put(tx, rows)
    began = [
        {"run_id": one["id"], "number": number, "started_at": START, "runner": "other"}
        for one in rows
        for number in range(1, one["attempt"] + 1)
    ]
    tx.execute(insert(attempts), began)
    found: dict[str, list[Any]] = {job_id: [] for job_id in kinds}
    while True:
        claim = claims.claim(tx, owner="me", now=START + timedelta(seconds=30))
        for end in claim.decided:
            found[end.run_id.partition("-")[0]].append(("ended", end.run_id, end.state, plain(end.reason)))
        for run_id in claim.cancelled:
            found[run_id.partition("-")[0]].append(("cancelled", run_id))
        if claim.run:
            found[claim.run.job_id].append(("claimed", claim.run.id))
        elif not claim.decided and not claim.cancelled:
            break
    c = job_queue.c
    left = job_queue.select().with_only_columns(
        c.job_id, c.id, c.state, c.attempt, c.revision, c.cancel_reason, c.reason
    )
    for job_id, *columns, reason in tx.execute(left):
        found[job_id].append((*columns, plain(reason)))
    return {
        job_id: [one for one in told if one[0] == "claimed"] + sorted(map(repr, told))
        for job_id, told in found.items()
    }


@pytest.mark.parametrize("overlap", list(Overlap))
@pytest.mark.parametrize("job", JOBS)
def test_both_stores_decide_alike_about_every_kind_of_run(
    both: tuple[Store, Store], clock: ManualClock, overlap: Overlap, job: str
) -> None:
    kinds = {f"j{number}": kind for number, kind in enumerate(itertools.product(RUNS, OTHERS))}
    answers = []
    columns = JOBS[job]
    for store in both:
        if columns is not None:
            define(store, clock, "j", "0 0 1 1 *", overlap=overlap.value)
        with store.write() as tx:
            bundle.change(tx, active_sha=SHA)
            if columns is not None:
                one = dict(tx.execute(jobs.select()).mappings().one()) | columns
                tx.execute(insert(jobs), [one | {"job_id": job_id} for job_id in kinds])
            answers.append(decided(tx, kinds))
    for job_id, kind in kinds.items():
        assert answers[0][job_id] == answers[1][job_id], kind
