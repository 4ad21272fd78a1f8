"""What a run in the store on PostgreSQL costs, beside plain SKIP LOCKED: the server, the runner, the clock.

One connection claims and ends so many runs that do nothing. With TMPDIR in memory `fsync` costs nothing, and
what is left is processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chalicelib.model.runs import Run
from tests.bench.measuring import say
from tests.bench.postgres import CLAIM, DONE, PATHS, PLAIN, Noop, fill, plain, postgres

WARM = 20  # runs before the measuring begins: statements are prepared then


def bench_postgres_cost(count: int = 400) -> None:
    """Processor time of the server and of the runner, and time on the clock, of each run."""
    for what, how in PATHS[:2]:
        with postgres() as url:
            _plain(url, count)
            _store(url, count, what, **how)


def _plain(url: str, count: int) -> None:
    import psycopg

    plain(url, 1, 1)  # makes the table
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(
            "INSERT INTO plain (payload) SELECT jsonb_build_object('i', i) FROM generate_series(1, %s) i",
            (count + WARM,),
        )
        db.execute("VACUUM (ANALYZE) plain")

        def step() -> None:
            claimed = db.execute(CLAIM, prepare=True).fetchall()
            db.execute(DONE, (claimed[0][0],), prepare=True)

        _measure(PLAIN, count, db.info.backend_pid, step)


def _store(url: str, count: int, what: str, **how: Any) -> None:
    from chalicelib.clock import SystemClock
    from chalicelib.execution.worker import Worker
    from chalicelib.store import Store

    store = Store(url)
    fill(store, count + WARM + 1, **how)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
        server = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    worker = Worker(store, SystemClock(), Noop(), owner="bench", publish=False)
    following: Run | None = worker.claim(1)[0][0]

    def step() -> None:
        nonlocal following
        assert following is not None
        following = worker.execute(following, claim_next=lambda: True)

    _measure(f"Sauron, {what}", count, server, step)
    store.close()


def _measure(what: str, count: int, server: int, step: Callable[[], None]) -> None:
    for _ in range(WARM):
        step()
    of_server, of_runner, began = _cpu(server), time.process_time(), time.perf_counter()
    for _ in range(count):
        step()
    clock = time.perf_counter() - began
    say(f"{what}: processor time of the server, a run", (_cpu(server) - of_server) / count * 1e6, "us")
    say(f"{what}: of the runner", (time.process_time() - of_runner) / count * 1e6, "us")
    say(f"{what}: time on the clock", clock / count * 1e6, "us")


def _cpu(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
