"""A tick over very many jobs on SQLite: what it costs when nothing is due, and when a thousand are."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from tests.bench.goals import Goal, Report
from tests.bench.measuring import say

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
# Copies of one job whose next fire times are spread over the day that begins in an hour.
COPIES = text(
    "INSERT INTO jobs (job_id, source, revision, record, definition_hash, overlap, enabled, cursor,"
    " next_fire_at, ledger_from)"
    " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
    " SELECT 'copy-' || i, source, revision, record, definition_hash, overlap, enabled, cursor,"
    " strftime('%Y-%m-%dT%H:%M:00.000000Z', :soon, (i % 1440) || ' minutes'), ledger_from"
    " FROM jobs, n WHERE job_id = 'first'"
)
SIZES = ((100_000, "< 3 ms"), (1_000_000, "< 6 ms"))
ROUNDS = 40


def bench_tick(due: int = 1000, scale: int = 1) -> Report:
    """Tick with nothing due, many times, and once with a thousand due, over each number of jobs.

    With a `scale` the numbers of jobs are that many times smaller.
    """
    goals = []
    for size, goal in ((size // scale, goal) for size, goal in SIZES):
        idle, busy = _tick(size, due)
        say(f"tick over {size:,} jobs, none due, median", idle, "ms")
        say(f"tick over {size:,} jobs, {due:,} due", busy, "ms")
        goals.append(Goal(f"tick over {size:,} jobs, none due", goal, idle, f"{idle:.2f} ms"))
    return Report(tuple(goals))


def _tick(size: int, due: int) -> tuple[float, float]:
    import structlog

    from chalicelib.model.jobs import JobSpec
    from chalicelib.scheduling.tick import tick
    from chalicelib.store import Store, ledger
    from tests.conftest import ManualClock, job_record

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store, clock = Store(f"sqlite:///{name}/store.sqlite3"), ManualClock(NOON)
        store.migrate()
        with store.write() as tx:
            first = ("first", "0 0 1 1 *")
            for job_id, cron in (first, *((f"due-{number}", "30 12 * * *") for number in range(due))):
                spec = JobSpec.from_record(job_record(job_id, cron))
                ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=NOON)
            soon = (NOON + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
            tx.execute(COPIES, {"soon": soon, "count": size - due - 1})
        store.checkpoint(at_once=True)
        idle = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            assert tick(store, clock).queued == 0
            idle.append((time.perf_counter() - began) * 1000)
            clock.move(seconds=40)  # a longer silence would count as a downtime
        clock.instant = NOON.replace(minute=29)
        began = time.perf_counter()
        assert tick(store, clock).queued == due
        busy = (time.perf_counter() - began) * 1000
        store.close()
    return statistics.median(idle), busy
