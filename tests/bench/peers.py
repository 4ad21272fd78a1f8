"""Run by the peers' interpreter: drain a queue of no-op jobs with one sequential worker, print jobs a second.

Each peer is used as its documents say, with its own schema, and its clock runs from ready to the last end
recorded.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
import threading
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


def huey(folder: str, count: int) -> tuple[float, str]:
    """One worker thread of its consumer, which looks again after a millisecond."""
    peer, signals = importlib.import_module("huey"), importlib.import_module("huey.signals")
    queue = peer.SqliteHuey("bench", filename=f"{folder}/huey.db")
    ends: list[float] = []
    over = threading.Event()

    @queue.task()  # type: ignore[untyped-decorator]
    def noop(_number: int) -> int:
        return 1  # so that a row of its end is kept

    @queue.signal(signals.SIGNAL_COMPLETE)  # type: ignore[untyped-decorator]
    def ended(*_told: object) -> None:
        ends.append(time.perf_counter())
        if len(ends) == count:
            over.set()

    for number in range(count):
        noop(number)
    worker = queue.create_consumer(
        workers=1, periodic=False, initial_delay=0.001, max_delay=0.01, backoff=1.0, check_worker_health=False
    )
    began = time.perf_counter()
    worker.start()
    over.wait(300)
    level = queue.storage.conn.execute("PRAGMA synchronous").fetchone()[0]
    return count / (ends[-1] - began), f"{SYNCHRONOUS[level]}; a job is deleted before it runs"


def persist_queue(folder: str, count: int) -> tuple[float, str]:
    """Get and acknowledge, one at a time."""
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(f"{folder}/pq", auto_commit=True)
    for number in range(count):
        queue.put({"number": number})
    began = time.perf_counter()
    for _ in range(count):
        queue.ack(id=queue.get(block=False, raw=True)["pqid"])
    took = time.perf_counter() - began
    return count / took, SYNCHRONOUS[queue._putter.execute("PRAGMA synchronous").fetchone()[0]]


def litequeue(folder: str, count: int) -> tuple[float, str]:
    """Pop and mark as done, one at a time, synchronous=FULL as the others."""
    queue = importlib.import_module("litequeue").LiteQueue(f"{folder}/q.db")
    queue.conn.execute("PRAGMA synchronous=FULL")
    for number in range(count):
        queue.put(str(number))
    began = time.perf_counter()
    for _ in range(count):
        queue.done(queue.pop().message_id)
    return count / (time.perf_counter() - began), "FULL; set so for this bench, it comes with NORMAL"


SYNCHRONOUS = {2: "FULL", 1: "NORMAL", 0: "OFF"}
ON_POSTGRESQL = {"procrastinate": procrastinate, "pgqueuer": pgqueuer}
ON_SQLITE = {"huey": huey, "persist-queue": persist_queue, "litequeue": litequeue}


def main(name: str, where: str, count: int) -> None:
    """Print one peer's rate and what it promises of an end."""
    logging.disable(logging.CRITICAL)
    if name in ON_POSTGRESQL:
        rate, durability = asyncio.run(ON_POSTGRESQL[name](where, count)), "synchronous_commit=on"
    else:
        rate, durability = ON_SQLITE[name](where, count)
    sys.stdout.write(json.dumps({"rate": rate, "durability": durability}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # huey's threads do not end


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
