"""Run by the peers' interpreter: no-op tasks through Celery or RQ on a Redis, four at a time.

The clock runs from the first tenth to the last result, so that starting the workers does not count.
`redis_peers.py rate PEER URL COUNT` prints the rate; `redis_peers.py work PEER URL` is one worker.
"""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

AT_ONCE = 4
OFTEN = 0.005  # seconds between two looks
LONGEST = 90  # seconds


def celery_app(url: str) -> tuple[Any, Any]:
    """Return the application and its task; results go to another database, where they can be counted."""
    app = importlib.import_module("celery").Celery("bench", broker=f"{url}/0", backend=f"{url}/1")
    app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)

    @app.task(name="noop")  # type: ignore[untyped-decorator]
    def noop(number: int) -> int:
        return number

    return app, noop


def work(peer: str, url: str) -> None:
    """Be a worker: Celery's with a pool of four processes, RQ's with one fork a job."""
    logging.disable(logging.CRITICAL)
    if peer == "rq":
        rq = importlib.import_module("rq")
        connection = importlib.import_module("redis").Redis.from_url(f"{url}/0")
        rq.Worker([rq.Queue("bench", connection=connection)], connection=connection).work(burst=True)
        return
    one = ["--max-tasks-per-child=1"] if peer == "celery-once" else []
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=CRITICAL"]
    celery_app(url)[0].worker_main(["worker", "--pool=prefork", f"--concurrency={AT_ONCE}", *one, *quiet])


def rate(peer: str, url: str, count: int) -> float:
    """Return tasks a second."""
    redis = importlib.import_module("redis").Redis
    redis.from_url(f"{url}/0").flushall()
    if peer == "rq":
        tasks = redis.from_url(f"{url}/0")
        queue = importlib.import_module("rq").Queue("bench", connection=tasks)
        for number in range(count):
            queue.enqueue("builtins.abs", number)
        key = queue.finished_job_registry.key
        return _timed(peer, url, count, AT_ONCE, lambda: int(tasks.zcard(key)))
    _, noop = celery_app(url)
    for number in range(count):
        noop.delay(number)
    return _timed(peer, url, count, 1, redis.from_url(f"{url}/1").dbsize)


def _timed(peer: str, url: str, count: int, workers: int, done: Callable[[], int]) -> float:
    command = [sys.executable, __file__, "work", peer, url]
    silent = subprocess.DEVNULL
    started = [subprocess.Popen(command, stdout=silent, stderr=silent) for _ in range(workers)]
    try:
        deadline = time.monotonic() + LONGEST
        first, began = 0, 0.0
        while (now := done()) < count:
            if not first and now >= count // 10:
                first, began = now, time.perf_counter()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{now} of {count} tasks after {LONGEST} seconds")
            time.sleep(OFTEN)
        return (count - first) / (time.perf_counter() - began)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(*sys.argv[2:])
    else:
        found = rate(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.stdout.write(json.dumps({"rate": found, "durability": "Redis in memory"}) + "\n")
