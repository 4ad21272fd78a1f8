"""What size costs on PostgreSQL: a tick over very many jobs, the bytes of a run, a runner's connections.

The numbers behind docs/scaling.md that no other bench gives.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.bench.measuring import Server, say, serving
from tests.bench.postgres import postgres, store_path
from tests.bench.ticks import SOON, tick_times

if TYPE_CHECKING:
    from chalicelib.store import Store

# Copies of one job whose next fire times are spread over the day that begins in an hour.
COPIES = text(
    "INSERT INTO jobs (job_id, source, revision, record, definition_hash, overlap, enabled, cursor,"
    " next_fire_at, ledger_from)"
    " SELECT 'copy-' || n, source, revision, record, definition_hash, overlap, enabled, cursor,"
    " CAST(:soon AS timestamptz) + n % 1440 * interval '1 minute', ledger_from"
    " FROM jobs, generate_series(1, :count) n"
    " WHERE job_id = 'first'"
)


def bench_scale(sizes: tuple[int, ...] = (100_000, 1_000_000), due: int = 1000, runs: int = 5000) -> None:
    """A tick over so many jobs; what stays of a run; how many connections there are."""
    for size in sizes:
        _tick(size, due)
    with postgres() as url:
        store_path(url, 1, runs, jobs=1, overlap="allow")
        say(
            "bytes of a run and its attempt, indexes included",
            _bytes(url, "job_queue", "attempts") / runs,
            "bytes",
        )
    with postgres() as url, serving(JOB_QUEUE_DB_URL=url, SAURON_WORKERS="8") as server:
        say("connections of an idle runner", _connections(url), "")
        _keep_busy(server, 400)
        most = 0
        while server.http.get("/status").json()["queue"].get("queued", 0) + len(_running(server)) > 0:
            most = max(most, _connections(url))
        say("connections of a runner with eight workers at work, at most", most, "")
        began = time.perf_counter()
        _keep_busy(server, 1500)
        server.wait(
            lambda: not _running(server) and not server.http.get("/status").json()["queue"]["queued"],
            seconds=240,
        )
        say("isolated no-op runs of one runner on PostgreSQL", 1500 / (time.perf_counter() - began), "runs/s")


def _tick(size: int, due: int) -> None:
    from chalicelib.store import Store

    with postgres() as url:
        store = Store(url)
        times = tick_times(store, due, lambda: _copy(store, size - due - 1))
        store.close()
    say("new jobs put in force by a sync on PostgreSQL", times.defined, "jobs/s")
    say(f"tick over {size:,} jobs on PostgreSQL, none due, median", times.idle, "ms")
    say(f"tick over {size:,} jobs on PostgreSQL, {due:,} due", times.busy, "ms")


def _copy(store: Store, count: int) -> None:
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(COPIES, {"soon": SOON, "count": count})
        connection.execute(text("VACUUM (ANALYZE) jobs"))
        connection.execute(text("RESET statement_timeout"))


def _ask(url: str, question: str) -> int:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as db:
        row = db.execute(question.encode()).fetchone()
    assert row
    return int(row[0])


def _bytes(url: str, *tables: str) -> int:
    return sum(_ask(url, f"SELECT pg_total_relation_size('{table}')") for table in tables)


def _connections(url: str) -> int:
    return _ask(
        url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sauron' OR query LIKE 'LISTEN%'"
    )


def _keep_busy(server: Server, count: int) -> None:
    for _ in range(count):
        server.http.post("/jobs/noop/trigger")


def _running(server: Server) -> list[object]:
    found: list[object] = server.http.get("/runs", params={"state": "running", "limit": 10}).json()["runs"]
    return found
