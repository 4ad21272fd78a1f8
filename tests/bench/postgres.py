"""The store on PostgreSQL beside plain SKIP LOCKED and beside other queues, with one runner and with several.

All take the same: runs that wait in a table, one connection per process, `synchronous_commit` on, each end
durable before the next claim is made, tables vacuumed before. Plain is two prepared statements in a
transaction each on a row of six columns. Rounds take turns, because machines are noisy; a share is the median
of the shares of the rounds.

The other queues are installed as `installed_peers` says.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import installed_peers
from tests.bench.goals import Report, Turns
from tests.bench.measuring import Server, bundle, percentile, say

CLAIM = """UPDATE plain SET state = 1, started = now() WHERE id = ANY(ARRAY(
    SELECT id FROM plain WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)) RETURNING id, payload"""
DONE = "UPDATE plain SET state = 2, finished = clock_timestamp() WHERE id = %s"
PATHS: list[tuple[str, dict[str, Any]]] = [
    ("runs may overlap", {"jobs": 1, "overlap": "allow"}),
    ("100 jobs, one run at a time", {"jobs": 100, "overlap": "skip"}),
    ("runs may overlap, copied to Life Hub", {"jobs": 1, "overlap": "allow", "publish": True}),
]
PEERS = ("procrastinate", "pgqueuer")  # concurrency 1, batch size 1
PLAIN = "plain SKIP LOCKED"


class Noop:
    """Stands where processes are started: every attempt ends well at once."""

    exit_code, signal, result = 0, None, {"ok": True, "value": None}
    reported, became_command, timed_out, stopped, stop_reason = True, False, False, False, None
    max_rss_kb, cpu_seconds = 1, 0.0
    oom_kills, memory_limit_mb, ran_alone, excess = 0, None, True, None

    def start(self, _run: object, _spec: object) -> Noop:
        return self

    def watch(self, **_more: object) -> Noop:
        return self

    def stop(self, _reason: str) -> None:
        raise AssertionError

    def usage(self) -> None:
        pass


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL with the settings that it comes with."""
    import structlog

    from tests.life_hub import Server as Postgres

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    server = Postgres()
    try:
        yield server.url()
    finally:
        server.close()


def together(work: Callable[..., None], processes: int, *given: object) -> float:
    """Return the seconds that so many processes need to do the same work, from when all are ready."""
    context = multiprocessing.get_context("spawn")
    ready, ends = context.Barrier(processes + 1), context.SimpleQueue()
    started = [
        context.Process(target=work, args=(ready, ends, f"runner-{number}", *given))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    ready.wait(60)
    began = time.monotonic()
    last = max(ends.get() for _ in started)
    for process in started:
        process.join()
    return float(last - began)


def plain_work(ready: Any, ends: Any, _name: str, url: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        cursor = db.cursor()
        ready.wait(60)
        while claimed := cursor.execute(CLAIM, prepare=True).fetchall():
            cursor.execute(DONE, (claimed[0][0],), prepare=True)
        ends.put(time.monotonic())


def plain(url: str, processes: int, count: int) -> float:
    """Claims and finishes a second on a bare table, two prepared statements each: any queue's limit here."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS plain")
        db.execute(
            "CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL,"
            " state smallint NOT NULL DEFAULT 0, created timestamptz DEFAULT now(),"
            " started timestamptz, finished timestamptz)"
        )
        db.execute("CREATE INDEX ON plain (id) WHERE state = 0")
        db.execute(
            "INSERT INTO plain (payload) SELECT jsonb_build_object('i', i) FROM generate_series(1, %s) i",
            (count,),
        )
        db.execute("VACUUM (ANALYZE) plain")
    return count / together(plain_work, processes, url)


def store_work(ready: Any, ends: Any, name: str, url: str, publish: bool) -> None:
    import structlog

    from chalicelib.clock import SystemClock
    from chalicelib.execution.worker import Worker
    from chalicelib.store import Store
    from chalicelib.store.queue import enqueue

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    store, clock = Store(url), SystemClock()
    with store.read() as tx:
        enqueue.next_due(tx, now=clock.now())
    worker = Worker(store, clock, Noop(), owner=name, publish=publish)
    ready.wait(60)
    while (found := worker.claim(1))[0] or found[1]:
        following = found[0][0] if found[0] else None
        while following:
            following = worker.execute(following, claim_next=lambda: True)
    ends.put(time.monotonic())
    store.close()


def fill(store: Any, count: int, *, jobs: int, overlap: str) -> datetime:
    """Queue so many runs of so many jobs in a store; return when they were created."""
    from chalicelib.clock import SystemClock
    from chalicelib.model.jobs import JobSpec
    from chalicelib.model.runs import new_run_id
    from chalicelib.store import bundle, ledger, registry
    from chalicelib.store.queue import enqueue
    from tests.conftest import job_record

    now = SystemClock().now()
    store.migrate()
    names = [f"{overlap}-{number}" for number in range(jobs)]
    blank = {"state": "queued", "origin": "trigger", "max_attempts": 1, "created_at": now, "due_at": now}
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        for name in names:
            spec = JobSpec.from_record(job_record(name, "0 0 1 1 *", overlap=overlap))
            ledger.define(tx, spec, registry.job(tx, name), source="bundle", revision="a" * 40, now=now)
        enqueue.put(
            tx, [blank | {"id": new_run_id(), "job_id": names[number % jobs]} for number in range(count)]
        )
    return now


def store_path(
    url: str, processes: int, count: int, *, jobs: int, overlap: str, publish: bool = False
) -> float:
    """Runs a second through runners whose attempts do nothing: each claimed, executed and recorded once."""
    from chalicelib.store import Store

    store = Store(url)
    now = fill(store, count, jobs=jobs, overlap=overlap)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    took = together(store_work, processes, url, publish)
    with store.engine.connect() as connection:
        done = (
            "SELECT count(*) FROM job_queue JOIN attempts ON run_id = id"
            " WHERE created_at = %s AND state = 'succeeded'"
        )
        assert connection.exec_driver_sql(f"{done} AND attempt = 1", (now,)).scalar() == count
    store.close()
    return count / took


def bench_postgres(count: int = 300, rounds: int = 9) -> Report:
    """One runner's store operations beside plain SKIP LOCKED and, where installed, other queues."""
    taken = Turns()
    with postgres() as url:
        where = url.replace("+psycopg", "")
        measured: dict[str, Callable[[], float]] = {PLAIN: lambda: plain(url, 1, count)}
        for what, how in PATHS:
            measured[f"Sauron, {what}"] = lambda how=how: store_path(url, 1, count, **how)  # type: ignore[misc]
        for one in PEERS:
            measured[installed_peers.label(one)] = lambda one=one: installed_peers.rate(one, count, where)  # type: ignore[misc]
        for _ in range(rounds):
            taken.take(measured)
    for what in taken.rates:
        say(f"postgres, {what}", taken.median(what), "runs/s", f"{taken.ratio(what, PLAIN):.2f} of plain")
    workload, both = "PostgreSQL store path", "synchronous_commit=on on both sides"
    overlapping, alone = (f"Sauron, {what}" for what, _ in PATHS[:2])
    goals = [
        taken.goal(f"{workload}, runs may overlap", ">= 0.8", overlapping, PLAIN, durability=both),
        taken.goal(f"{workload}, one run at a time", ">= 0.65", alone, PLAIN, durability=both),
        *(
            taken.goal(
                f"{workload}, runs may overlap",
                *("> 1", overlapping, installed_peers.label(one)),
                durability=both,
            )
            for one in PEERS
        ),
    ]
    title = "PostgreSQL: no-op runs a second of one connection, without processes"
    return Report(tuple(goals), (taken.chart("postgres", title, "Sauron"),))


def bench_runners(count: int = 10_000, rounds: int = 3) -> None:
    """Four runners on one queue, each run once, beside one runner and four plain connections."""
    rates: dict[str, list[float]] = {}
    with postgres() as url:
        for _ in range(rounds):
            for what, processes, some in (("one runner", 1, count // 4), ("four runners", 4, count)):
                rates.setdefault(f"plain SKIP LOCKED, {what}", []).append(plain(url, processes, some))
                rates.setdefault(what, []).append(store_path(url, processes, some, jobs=1, overlap="allow"))
    one = statistics.median(rates["one runner"])
    for what, some_rates in rates.items():
        rate = statistics.median(some_rates)
        say(f"postgres, {count:,} due runs, {what}", rate, "runs/s", f"{rate / one:.1f} x one runner")


def bench_notify(count: int = 50) -> None:
    """From a trigger at an idle runner to the job's first line in another runner, which NOTIFY wakes."""
    with postgres() as url, tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        shared = {
            "JOBS_GIT_REPO_URL": str(bundle(Path(name) / "bundle")),
            "JOB_QUEUE_DB_URL": url.replace("+psycopg", ""),
        }
        for folder in ("idle", "busy"):
            (Path(name) / folder).mkdir()
        idle = Server(Path(name) / "idle", JOB_QUEUE_ENABLED="0", **shared)
        busy = Server(Path(name) / "busy", **shared)
        took = []
        try:
            for _ in range(count + 1):
                asked = time.time()
                run = idle.http.post("/jobs/stamp/trigger").json()["queue_id"]
                idle.wait(lambda run=run: idle.http.get(f"/runs/{run}").json()["finished_at"] is not None)  # type: ignore[misc]
                took.append((idle.http.get(f"/runs/{run}").json()["result"]["at"] - asked) * 1000)
        finally:
            idle.close()
            busy.close()
    took = took[1:]  # the first finds nothing warm
    say("trigger at one runner to job start at another, median", statistics.median(took), "ms")
    say("trigger at one runner to job start at another, p99", percentile(took, 0.99), "ms", f"of {len(took)}")
