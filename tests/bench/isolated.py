"""Isolated runs, each in a process that can be killed and recorded durably, beside forks that are neither.

Four are in flight on every side. Celery's pool keeps its four processes for all tasks, which is no isolation;
with `--max-tasks-per-child=1` each task has a process, as RQ's jobs and Sauron's runs have.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import debian_peers, installed_peers
from tests.bench.goals import Report, Turns, said
from tests.bench.measuring import Server, say, serving

FORKS = str(Path(__file__).with_name("forks.py"))
OURS, BARE = "Sauron", "bare forks, 4 in flight"
ON_REDIS = {
    "celery": f"Celery {installed_peers.VERSIONS['celery']} prefork",
    "celery-once": f"Celery {installed_peers.VERSIONS['celery']}, a process per task",
    "rq": f"RQ {installed_peers.VERSIONS['rq']}, fork per job",
}
FEW = {"celery-once": 12, "rq": 6}  # by how much fewer tasks of the slow ones are enough
RECORDED = "synchronous=FULL, history and result kept"
LOST = f"{RECORDED}; Redis in memory, a power cut loses all"


def bench_throughput(count: int = 600, rounds: int = 3) -> Report:
    """Isolated no-op runs of one runner, in turns with the others."""
    taken = Turns()
    with contextlib.ExitStack() as kept:
        server = kept.enter_context(serving(SAURON_WORKERS="4"))
        measured = {BARE: lambda: forks(count * 2), OURS: lambda: _ours(server, count)}
        try:
            url = kept.enter_context(debian_peers.redis())
            for peer, name in ON_REDIS.items():
                some = count // FEW.get(peer, 1)
                measured[name] = lambda peer=peer, some=some: installed_peers.redis_rate(peer, url, some)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - without Redis the rest is still measured
            taken.errors.update(dict.fromkeys(ON_REDIS.values(), said(error)))
        _ours(server, 50)  # the first run of a process finds nothing warm
        for _ in range(rounds):
            taken.take(measured)
    for name in taken.rates:
        ratio = f"{taken.ratio(name, BARE):.2f} of bare forks" if BARE in taken.rates else ""
        say(f"isolated no-op runs, {name}", taken.median(name), "runs/s", ratio)
    goals = [
        taken.goal(
            *("isolated runs, recorded durably", ">= 0.55", OURS, BARE),
            durability=f"{RECORDED}; nothing is recorded",
        ),
        *(
            taken.goal("isolated runs, recorded durably", "> 1", OURS, name, durability=LOST)
            for name in ON_REDIS.values()
        ),
    ]
    return Report(tuple(goals), (taken.chart("isolated", "Isolated no-op runs a second", OURS),))


def forks(count: int) -> float:
    """Return bare forks a second of a warm process, four in flight."""
    answer = subprocess.run(
        [sys.executable, FORKS, "rate", str(count)], check=True, stdout=subprocess.PIPE, timeout=120
    )
    return float(json.loads(answer.stdout))


def _ours(server: Server, count: int) -> float:
    """Return runs a second: queued at once, from the wake-up until each has its end in the store."""
    from chalicelib.model.runs import new_run_id
    from chalicelib.store import Store, history
    from chalicelib.store.queue import enqueue

    store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
    blank = {"job_id": "noop", "state": "queued", "origin": "trigger", "max_attempts": 1}

    def finished() -> bool:
        time.sleep(0.02)
        with store.read() as tx:
            return sum(history.counts(tx).values()) == 0

    try:
        now = datetime.now(UTC)
        rows = [blank | {"id": new_run_id(), "created_at": now, "due_at": now} for _ in range(count)]
        with store.write() as tx:
            enqueue.put(tx, rows)
        began = time.perf_counter()
        server.http.post("/jobs/noop/trigger").raise_for_status()
        server.wait(finished, seconds=240)
        return (count + 1) / (time.perf_counter() - began)
    finally:
        store.close()
