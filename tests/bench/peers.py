"""Run by PEERS_PYTHON: drain a queue of no-op jobs with one sequential worker of a peer; print jobs a second.

Each peer is used as its documents say, with its own schema, and its clock runs from ready to the last end
recorded.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import time
from datetime import timedelta


async def procrastinate(dsn: str, count: int) -> float:
    """Concurrency 1, psycopg, no polling: the worker ends when nothing waits."""
    peer = importlib.import_module("procrastinate")
    app = peer.App(connector=peer.PsycopgConnector(conninfo=dsn))

    @app.task(name="noop", queue="bench")  # type: ignore[untyped-decorator]
    async def noop(number: int) -> None:
        pass

    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*({"number": number} for number in range(count)))
        await vacuum(dsn)
        began = time.perf_counter()
        await app.run_worker_async(
            queues=["bench"], wait=False, concurrency=1, listen_notify=False, install_signal_handlers=False
        )
        return count / (time.perf_counter() - began)


async def pgqueuer(dsn: str, count: int) -> float:
    """Batch size 1, asyncpg, in drain mode."""
    peer, driver, queries = (importlib.import_module(f"pgqueuer{part}") for part in ("", ".db", ".queries"))
    connection = await importlib.import_module("asyncpg").connect(dsn=dsn)
    asked = queries.Queries(driver.AsyncpgDriver(connection))
    if not await asked.has_table("pgqueuer"):
        await asked.install()
    await asked.enqueue(["noop"] * count, [None] * count, [0] * count)
    await vacuum(dsn)
    worker = peer.PgQueuer(driver.AsyncpgDriver(connection))
    ends = []

    @worker.entrypoint("noop")  # type: ignore[untyped-decorator]
    async def noop(_job: object) -> None:
        ends.append(time.perf_counter())

    began = time.perf_counter()
    mode = importlib.import_module("pgqueuer.types").QueueExecutionMode.drain
    await worker.run(batch_size=1, mode=mode, dequeue_timeout=timedelta(seconds=1))
    assert len(ends) == count
    return count / (ends[-1] - began)


async def vacuum(dsn: str) -> None:
    """Leave the tables as autovacuum leaves them."""
    psycopg = importlib.import_module("psycopg")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("VACUUM (ANALYZE)")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    rate = asyncio.run(
        {"procrastinate": procrastinate, "pgqueuer": pgqueuer}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    )
    sys.stdout.write(f"{rate}\n")
