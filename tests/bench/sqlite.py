"""What the store costs on SQLite, beside its limit and beside other queues: synchronous=FULL, history kept.

Everything is measured in turns in one run, on the disk of TMPDIR, because disks and machines differ and are
noisy. `merged` is the limit: the end of one job and the claim of the next as two statements and one commit on
a bare table.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench import installed_peers
from tests.bench.goals import Report, Turns
from tests.bench.measuring import say
from tests.bench.postgres import Noop, fill

CLAIM = (
    "UPDATE job SET state = 1, started = ? WHERE id IN"
    " (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT 1) RETURNING id, payload"
)
DONE = "UPDATE job SET state = 2, finished = ? WHERE id = ?"
PEERS = ("huey", "persist-queue", "litequeue")
LIMIT, OURS, TOGETHER = "merged, the limit", "Sauron, runs may overlap", "Sauron, 8 workers ready together"
DURABILITY = "FULL, history kept"


@contextlib.contextmanager
def _table(count: int) -> Iterator[sqlite3.Connection]:
    with (
        tempfile.TemporaryDirectory(prefix="sauron-bench-") as name,
        contextlib.closing(sqlite3.connect(f"{name}/q.db", isolation_level=None)) as db,
    ):
        db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE job (id INTEGER PRIMARY KEY, payload TEXT NOT NULL, state INT NOT NULL DEFAULT 0,"
            " created REAL, started REAL, finished REAL);"
            "CREATE INDEX job_ready ON job (id) WHERE state = 0;"
        )
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO job (payload, created) VALUES (?, ?)", [('{"i": 1}', time.time())] * count
        )
        db.execute("COMMIT")
        yield db


def _merged(count: int) -> float:
    """Jobs a second, one commit a job: the end and the next claim."""
    with _table(count) as db:
        began = time.perf_counter()
        row = db.execute(CLAIM, (time.time(),)).fetchone()
        while row:
            db.execute("BEGIN IMMEDIATE")
            db.execute(DONE, (time.time(), row[0]))
            row = db.execute(CLAIM, (time.time(),)).fetchone()
            db.execute("COMMIT")
        return count / (time.perf_counter() - began)


def _store_path(count: int, *, overlap: str, workers: int = 1) -> float:
    """Runs a second: so many workers of one process, whose attempts do nothing."""
    import structlog

    from chalicelib.clock import SystemClock
    from chalicelib.execution.worker import Worker
    from chalicelib.store import Store

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store = Store(f"sqlite:///{name}/store.sqlite3")
        fill(store, count, jobs=1 if overlap == "allow" else 100, overlap=overlap)
        store.checkpoint(at_once=True)
        worker = Worker(store, SystemClock(), Noop(), owner="bench")
        began = time.perf_counter()
        [first], _ = worker.claim(1)
        more = worker.claim(workers - 1)[0] if workers > 1 else []
        threads = [threading.Thread(target=_work, args=(worker, run)) for run in more]
        for thread in threads:
            thread.start()
        _work(worker, first)
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        with contextlib.closing(sqlite3.connect(f"{name}/store.sqlite3")) as db:
            done = "SELECT count(*) FROM job_queue JOIN attempts ON run_id = id WHERE state = 'succeeded'"
            assert db.execute(done).fetchone()[0] == count
        store.close()
    return count / took


def _work(worker: Any, run: Any) -> None:
    while run:
        run = worker.execute(run, claim_next=lambda: True)


def bench_sqlite(count: int = 1000, rounds: int = 5) -> Report:
    """One worker and eight, beside the limit and the peers that pip finds."""
    measured: dict[str, Callable[[], float]] = {
        LIMIT: lambda: _merged(count),
        OURS: lambda: _store_path(count, overlap="allow"),
        "Sauron, 100 jobs, one run at a time": lambda: _store_path(count, overlap="skip"),
        TOGETHER: lambda: _store_path(count, overlap="allow", workers=8),
    }
    for name in PEERS:
        measured[installed_peers.label(name)] = lambda name=name: installed_peers.rate(name, count)  # type: ignore[misc]
    taken = Turns()
    for _ in range(rounds):
        taken.take(measured)
    for what in taken.rates:
        share = f"{taken.ratio(what, LIMIT):.2f} of the limit"
        say(f"sqlite, {what}", taken.median(what), "runs/s", share)
    workload, eight = "SQLite store path, one worker", "SQLite store path, 8 workers ready together"
    huey = installed_peers.label("huey")
    goals = [
        *(
            taken.goal(
                *(workload, "> 1", OURS, installed_peers.label(name)),
                durability=f"{DURABILITY}; {installed_peers.durability(name)}",
            )
            for name in PEERS
        ),
        taken.goal(workload, ">= 0.6", OURS, LIMIT, durability=f"{DURABILITY}; FULL, history in the row"),
        taken.goal(
            eight, ">= 2", TOGETHER, huey, durability=f"{DURABILITY}; {installed_peers.durability('huey')}"
        ),
    ]
    title = "SQLite, synchronous=FULL: no-op runs a second, without processes"
    return Report(tuple(goals), (taken.chart("sqlite", title, "Sauron"),))
