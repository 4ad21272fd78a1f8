"""Measure what Sauron promises about speed, on this machine and disk: `make bench`.

Each line is a median of what was measured beside a limit or a peer of the same run, because machines differ and are noisy:
`sqlite` is the plain claim + finish of two SQLite transactions at synchronous=FULL, `plain` the same as two prepared statements
on PostgreSQL, `exec` a bare `python -c pass`.
Run parts of it by naming them: python -m tests.bench tick throughput
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "container")]

from tests.bench.cold_start import bench_cold_start  # noqa: E402, F401 - run by its name

MANIFEST = """
import time
from sauron_jobs_loader import JobConfig, job_registry

def stamp():
    return {"at": time.time()}

job_registry.register(JobConfig(id="stamp", cron="0 0 1 1 *", func=stamp))
job_registry.register(JobConfig(id="noop", cron="0 0 1 1 *", func=lambda: None, overlap="allow"))
"""


def bundle(folder: Path) -> Path:
    """Write a bundle of trivial jobs in its own repository."""
    folder.mkdir(parents=True)
    (folder / "manifest.py").write_text(MANIFEST)
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.test")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-qm", "jobs")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a Sauron that lives in `folder`."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {
        "JOBS_GIT_REPO_URL": str(folder / "bundle"),
        "API_PORT": "0",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": f"{ROOT}:{ROOT}/container",
    }
    return keep | own | more


class Server:
    """A running `python -m sauron.main`, spoken to over HTTP."""

    def __init__(self, folder: Path, **more: str) -> None:
        import httpx

        self.folder = folder
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sauron.main"],
            cwd=folder,
            env=environment(folder, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        url = ""
        for line in self.process.stdout:
            if "http://" in line:
                url = "http://" + line.split("http://")[1].split()[0].rstrip("/.,")
                break
        self.http = httpx.Client(base_url=url, timeout=30)
        self.wait(lambda: self.http.get("/health").status_code == 200)
        self.ready_seconds = time.perf_counter() - began
        self.wait(lambda: self.http.get("/jobs").json()["count"] > 0)

    def wait(self, fact: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                raise TimeoutError(self.process.args)
            time.sleep(0.005)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)

    def tree(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found


@contextlib.contextmanager
def serving(**more: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        folder = Path(name)
        bundle(folder / "bundle")
        server = Server(folder, **more)
        try:
            yield server
        finally:
            server.close()


def say(what: str, value: float, unit: str, beside: str = "") -> None:
    sys.stdout.write(f"{what:<58} {value:>10.1f} {unit:<10} {beside}\n")
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def plain_exec() -> float:
    """Milliseconds of a bare interpreter, the peer of starting a job."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def plain_sqlite(count: int = 500) -> float:
    """Claims and finishes a second, as two transactions each, synchronous=FULL: the limit of any queue on this disk."""
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
                "UPDATE q SET state = 'running' WHERE id = (SELECT id FROM q WHERE state = 'queued' LIMIT 1) RETURNING id"
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
        "trigger over HTTP to job start, median", statistics.median(took), "ms", f"{statistics.median(took) / exec_ms:.1f} x exec"
    )
    say("trigger over HTTP to job start, p99", percentile(took, 0.99), "ms")


def bench_lateness() -> None:
    """How late runs start that were queued ahead for an instant, as a tick queues them, with all workers idle."""
    from chalicelib.neighbours import Neighbours
    from chalicelib.runs import new_run_id
    from chalicelib.store import Store, history, queue

    with serving() as server:
        store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
        server.http.post("/jobs/stamp/trigger")  # the first run of a process finds nothing warm
        for at_once, rounds in ((1, 100), (4, 25), (8, 12)):
            late = []
            for _ in range(rounds):
                now = datetime.now(UTC)
                row = {
                    "job_id": "stamp",
                    "state": "queued",
                    "origin": "trigger",
                    "max_attempts": 1,
                    "created_at": now,
                    "force": True,
                }
                ids = [new_run_id() for _ in range(at_once)]
                due = now + timedelta(seconds=0.5)
                with store.write() as tx:
                    queue.put(tx, [row | {"id": run_id, "created_at": now, "due_at": due} for run_id in ids])
                Neighbours(server.folder / ".sauron" / "sauron.sqlite3.runners").wake()
                time.sleep(1.2)  # asking takes processor time: never while runs are due
                with store.read() as tx:
                    late += [(history.run(tx, one).result["at"] - due.timestamp()) * 1000 for one in ids]  # type: ignore[union-attr]
            say(f"lateness, {at_once} due at once, median", statistics.median(late), "ms")
            say(f"lateness, {at_once} due at once, p99", percentile(late, 0.99), "ms", f"of {len(late)}")
        store.close()


def bench_throughput(count: int = 1500) -> None:
    """Isolated no-op runs, each recorded durably."""
    from chalicelib.runs import new_run_id
    from chalicelib.store import Store, queue

    with serving() as server:
        store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
        now = datetime.now(UTC)
        blank = {"job_id": "noop", "state": "queued", "origin": "trigger", "max_attempts": 1, "created_at": now, "due_at": now}
        with store.write() as tx:
            queue.put(tx, [blank | {"id": new_run_id()} for _ in range(count)])
        began = time.perf_counter()
        server.http.post("/jobs/noop/trigger")
        server.wait(lambda: _unfinished(store) == 0, seconds=240)
        rate = (count + 1) / (time.perf_counter() - began)
        store.close()
    limit = plain_sqlite()
    say("isolated no-op runs, recorded durably", rate, "runs/s", f"{100 * rate / limit:.0f} % of plain sqlite ({limit:.0f}/s)")


def _unfinished(store: object) -> int:
    from chalicelib.store import Store, history

    assert isinstance(store, Store)
    time.sleep(0.05)
    with store.read() as tx:
        return sum(history.counts(tx).values())


def bench_tick(jobs: int = 100_000, due: int = 1000) -> None:
    """A tick over many jobs."""
    from chalicelib.jobs import JobSpec
    from chalicelib.store import Store, ledger
    from chalicelib.tick import tick
    from tests.conftest import ManualClock, job_record

    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store, clock = Store(f"sqlite:///{name}/store.sqlite3"), ManualClock(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
        store.migrate()
        with store.write() as tx:
            for number in range(jobs):
                cron = "30 12 * * *" if number < due else f"{number % 60} {13 + number % 11} {2 + number % 27} * *"
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


CLAIM = """UPDATE q SET state = 'running' WHERE id = (
    SELECT id FROM q WHERE state = 'queued' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"""


def plain_postgres(url: str, connections: int, count: int) -> float:
    """Claims and finishes a second on a bare table, as two prepared statements each: the limit of any queue on this server."""
    import psycopg

    def work() -> None:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            while claimed := db.execute(CLAIM, prepare=True).fetchone():
                db.execute("UPDATE q SET state = 'done' WHERE id = %s", claimed, prepare=True)

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS q")
        db.execute("CREATE TABLE q (id bigserial PRIMARY KEY, state text)")
        db.execute("CREATE INDEX q_queued ON q (id) WHERE state = 'queued'")
        db.execute("INSERT INTO q (state) SELECT 'queued' FROM generate_series(1, %s)", (count,))
        db.execute("ANALYZE q")
    return count / _together(work, connections)


def _together(work: Callable[[], None], threads: int) -> float:
    """Answer the seconds that so many threads take to do the same until it is done."""
    started = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return time.perf_counter() - began


class Noop:
    """Stands where processes are started: every attempt ends well at once."""

    exit_code, signal, result, timed_out, stopped, crash = 0, None, {"ok": True, "value": None}, False, None, None
    max_rss_kb, cpu_seconds = 1, 0.0

    def start(self, _run: object, _spec: object) -> Noop:
        return self

    def watch(self, **_more: object) -> Noop:
        return self

    def stop(self, _reason: str) -> None:
        raise AssertionError


def store_path(url: str, connections: int, count: int, *, jobs: int, overlap: str, publish: bool = False) -> float:
    """Runs a second through workers whose attempts do nothing: claimed, executed and recorded in the store."""
    from chalicelib.clock import SystemClock
    from chalicelib.jobs import JobSpec
    from chalicelib.runs import new_run_id
    from chalicelib.store import Store, bundle, ledger, queue, registry
    from chalicelib.work import Worker
    from tests.conftest import job_record

    store, clock = Store(url), SystemClock()
    store.migrate()
    now = clock.now()
    names = [f"{overlap}-{number}" for number in range(jobs)]
    blank = {"state": "queued", "origin": "trigger", "max_attempts": 1, "created_at": now, "due_at": now}
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        for name in names:
            spec = JobSpec.from_record(job_record(name, "0 0 1 1 *", overlap=overlap))
            ledger.define(tx, spec, registry.job(tx, name), source="bundle", revision="a" * 40, now=now)
        queue.put(tx, [blank | {"id": new_run_id(), "job_id": names[number % jobs]} for number in range(count)])
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")

    def work() -> None:
        worker = Worker(store, clock, Noop(), owner=threading.current_thread().name, publish=publish)
        while (runs := worker.claim(1))[0] or runs[1]:
            following = runs[0][0] if runs[0] else None
            while following:
                following = worker.execute(following, go_on=lambda: True)

    took = _together(work, connections)
    assert _unfinished(store) == 0
    store.close()
    return count / took


def bench_postgres(count: int = 1500, rounds: int = 5) -> None:
    """What a runner's store path reaches of plain SKIP LOCKED, in rounds that take turns because machines are noisy."""
    import logging

    import structlog

    from tests.life_hub import Server as Postgres

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    server = Postgres()
    url = server.url()
    paths: list[tuple[str, dict[str, Any]]] = [
        ("runs may overlap", {"jobs": 1, "overlap": "allow"}),
        ("100 jobs, one run at a time", {"jobs": 100, "overlap": "skip"}),
        ("runs may overlap, copied to Life Hub", {"jobs": 1, "overlap": "allow", "publish": True}),
    ]
    try:
        for connections in (1, 4):
            plain: list[float] = []
            rates: dict[str, list[float]] = {what: [] for what, _ in paths}
            ratios: dict[str, list[float]] = {what: [] for what, _ in paths}
            for _ in range(rounds):
                for what, how in paths:
                    plain.append(plain_postgres(url, connections, count))
                    rates[what].append(store_path(url, connections, count, **how))
                    ratios[what].append(rates[what][-1] / plain[-1])
            say(f"postgres, {connections} connections, plain SKIP LOCKED", statistics.median(plain), "runs/s")
            for what, _ in paths:
                share = f"{100 * statistics.median(ratios[what]):.0f} % of plain"
                say(f"postgres, {connections} connections, {what}", statistics.median(rates[what]), "runs/s", share)
    finally:
        server.close()


BENCHES = {name.removeprefix("bench_"): bench for name, bench in list(globals().items()) if name.startswith("bench_")}


def main() -> None:
    """Run the named benches, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of {', '.join(BENCHES)} (all)")
    names = parser.parse_args().names or list(BENCHES)
    sys.stdout.write(
        f"{json.dumps({'cpus': os.cpu_count(), 'python': sys.version.split()[0], 'sqlite': sqlite3.sqlite_version})}\n"
    )
    for name in names:
        if name not in BENCHES:
            parser.error(f"there is no bench {name!r}; there are {', '.join(BENCHES)}")
        BENCHES[name]()


if __name__ == "__main__":
    main()
