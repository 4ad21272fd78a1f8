"""Measure what Sauron promises about speed, on this machine and disk: `make bench`.

Each line is a median of what was measured beside a limit or a peer of the same run, because machines differ
and are noisy: `sqlite` is the plain claim + finish of two SQLite transactions at synchronous=FULL, `plain`
the same as two prepared statements on PostgreSQL (`postgres.py`, also for the peers), `exec` a bare `python
-c pass`. Run parts of it by naming them: python -m tests.bench tick throughput
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.cold_start import bench_cold_start
from tests.bench.downtime import bench_downtime
from tests.bench.lateness import bench_browsers, bench_lateness
from tests.bench.measuring import Server, environment, percentile, say, serving
from tests.bench.pages import bench_pages
from tests.bench.postgres import bench_bell, bench_postgres, bench_runners
from tests.bench.scale import bench_scale
from tests.bench.sqlite import bench_sqlite


def plain_exec() -> float:
    """Milliseconds of a bare interpreter, the peer of starting a job."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def plain_sqlite(count: int = 500) -> float:
    """Claims and finishes a second, two transactions each, synchronous=FULL: a queue's limit here."""
    with (
        tempfile.TemporaryDirectory(prefix="sauron-bench-") as name,
        contextlib.closing(sqlite3.connect(f"{name}/q.db", isolation_level=None)) as db,
    ):
        db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE q (id INTEGER PRIMARY KEY, state TEXT); CREATE INDEX i ON q (state);"
        )
        db.execute("BEGIN")
        db.executemany("INSERT INTO q (state) VALUES (?)", [("queued",)] * count)
        db.execute("COMMIT")
        began = time.perf_counter()
        for _ in range(count):
            db.execute("BEGIN IMMEDIATE")
            [(key,)] = db.execute(
                "UPDATE q SET state = 'running'"
                " WHERE id = (SELECT id FROM q WHERE state = 'queued' LIMIT 1) RETURNING id"
            ).fetchall()
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE q SET state = 'done' WHERE id = ?", (key,))
            db.execute("COMMIT")
        return count / (time.perf_counter() - began)


def bench_trigger() -> None:
    """From the HTTP call to the first line of the job."""
    with serving() as server:
        took = []
        for _ in range(100):
            asked = time.time()
            run = server.http.post("/jobs/stamp/trigger").json()["queue_id"]
            server.wait(lambda run=run: server.http.get(f"/runs/{run}").json()["finished_at"] is not None)  # type: ignore[misc]
            took.append((server.http.get(f"/runs/{run}").json()["result"]["at"] - asked) * 1000)
    exec_ms = plain_exec()
    say(
        "trigger over HTTP to job start, median",
        statistics.median(took),
        "ms",
        f"{statistics.median(took) / exec_ms:.1f} x exec",
    )
    say("trigger over HTTP to job start, p99", percentile(took, 0.99), "ms")


def bench_throughput(count: int = 1500) -> None:
    """Isolated no-op runs, each recorded durably."""
    from chalicelib.model.runs import new_run_id
    from chalicelib.store import Store
    from chalicelib.store.queue import enqueue

    with serving() as server:
        store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
        now = datetime.now(UTC)
        blank = {
            "job_id": "noop",
            "state": "queued",
            "origin": "trigger",
            "max_attempts": 1,
            "created_at": now,
            "due_at": now,
        }
        with store.write() as tx:
            enqueue.put(tx, [blank | {"id": new_run_id()} for _ in range(count)])
        began = time.perf_counter()
        server.http.post("/jobs/noop/trigger")
        server.wait(lambda: _unfinished(store) == 0, seconds=240)
        rate = (count + 1) / (time.perf_counter() - began)
        store.close()
    limit = plain_sqlite()
    say(
        "isolated no-op runs, recorded durably",
        rate,
        "runs/s",
        f"{100 * rate / limit:.0f} % of plain sqlite ({limit:.0f}/s)",
    )


def _unfinished(store: object) -> int:
    from chalicelib.store import Store, history

    assert isinstance(store, Store)
    time.sleep(0.05)
    with store.read() as tx:
        return sum(history.counts(tx).values())


def bench_tick(jobs: int = 100_000, due: int = 1000) -> None:
    """A tick over many jobs."""
    from chalicelib.model.jobs import JobSpec
    from chalicelib.scheduling.tick import tick
    from chalicelib.store import Store, ledger
    from tests.conftest import ManualClock, job_record

    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store, clock = (
            Store(f"sqlite:///{name}/store.sqlite3"),
            ManualClock(datetime(2026, 1, 1, 12, 0, tzinfo=UTC)),
        )
        store.migrate()
        with store.write() as tx:
            for number in range(jobs):
                cron = (
                    "30 12 * * *"
                    if number < due
                    else f"{number % 60} {13 + number % 11} {2 + number % 27} * *"
                )
                spec = JobSpec.from_record(job_record(f"job-{number}", cron))
                ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=clock.now())
        idle = []
        for _ in range(20):
            began = time.perf_counter()
            assert tick(store, clock).queued == 0
            idle.append((time.perf_counter() - began) * 1000)
            clock.move(seconds=60)
        clock.instant = datetime(2026, 1, 1, 12, 29, 0, tzinfo=UTC)
        began = time.perf_counter()
        assert tick(store, clock).queued == due
        busy = (time.perf_counter() - began) * 1000
        store.close()
    say(f"tick over {jobs:,} jobs, none due, median", statistics.median(idle), "ms")
    say(f"tick over {jobs:,} jobs, {due:,} due", busy, "ms")


def bench_idle() -> None:
    """Start-up, memory and processor time of a Sauron with nothing to do, on the example bundle."""
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "sauron.cli", "init", str(folder / "bundle")],
            check=True,
            capture_output=True,
            env=environment(folder),
        )
        for attempt in ("first start, schema made", "later start"):
            server = Server(folder)
            say(f"ready to answer /health, {attempt}", server.ready_seconds * 1000, "ms")
            if attempt == "later start":
                time.sleep(5)
                before = _cpu(server)
                time.sleep(60)
                say("processor time while idle", (_cpu(server) - before) / 60 * 100, "% of a core")
                pss = {pid: _pss(pid) for pid in server.tree()}
                say("memory of all processes (PSS)", sum(pss.values()) / 1024, "MB", f"{len(pss)} processes")
            server.close()


def _cpu(server: Server) -> float:
    ticks = 0
    for pid in server.tree():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


BENCHES: dict[str, Callable[[], None]] = {
    bench.__name__.removeprefix("bench_"): bench
    for bench in (
        *(bench_trigger, bench_lateness, bench_throughput, bench_tick, bench_idle),
        *(
            bench_sqlite,
            bench_postgres,
            bench_runners,
            bench_bell,
            bench_cold_start,
            bench_scale,
            bench_downtime,
            bench_pages,
            bench_browsers,
        ),
    )
}


def main() -> None:
    """Run the named benches, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of {', '.join(BENCHES)} (all)")
    names = parser.parse_args().names or list(BENCHES)
    sys.stdout.write(
        json.dumps(
            {
                "cpus": os.cpu_count(),
                "python": sys.version.split()[0],
                "sqlite": sqlite3.sqlite_version,
            }
        )
        + "\n"
    )
    for name in names:
        if name not in BENCHES:
            parser.error(f"there is no bench {name!r}; there are {', '.join(BENCHES)}")
        BENCHES[name]()


if __name__ == "__main__":
    main()
