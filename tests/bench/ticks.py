"""A tick over very many jobs on SQLite: what it costs when nothing is due, and when a thousand are."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.bench.goals import Goal, Report
from tests.bench.measuring import say

if TYPE_CHECKING:
    from chalicelib.store import Store

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SOON = NOON + timedelta(hours=1)
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
    from chalicelib.store import Store

    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        store = Store(f"sqlite:///{name}/store.sqlite3")
        times = tick_times(store, due, lambda: _copy(store, size - due - 1))
        store.close()
    return times.idle, times.busy


def _copy(store: Store, count: int) -> None:
    with store.write() as tx:
        tx.execute(COPIES, {"soon": SOON.strftime("%Y-%m-%d %H:%M:%S"), "count": count})
    store.checkpoint(at_once=True)


@dataclass(frozen=True, slots=True)
class TickTimes:
    """The milliseconds of a tick with nothing due, and with much; and new jobs put in force a second."""

    idle: float
    busy: float
    defined: float


def tick_times(store: Store, due: int, copy: Callable[[], None]) -> TickTimes:
    """Migrate an empty store, put `due` jobs of one instant and a yearly one in force, and measure ticks.

    `copy` then multiplies the job `first`, in the dialect of the store.
    """
    import structlog

    from chalicelib.model.jobs import JobSpec
    from chalicelib.scheduling.tick import tick
    from chalicelib.store import ledger
    from tests.conftest import ManualClock, job_record

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    clock = ManualClock(NOON)
    store.migrate()
    began = time.perf_counter()
    with store.write() as tx:
        first = ("first", "0 0 1 1 *")
        for job_id, cron in (first, *((f"due-{number}", "30 12 * * *") for number in range(due))):
            spec = JobSpec.from_record(job_record(job_id, cron))
            ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=NOON)
    defined = (due + 1) / (time.perf_counter() - began)
    copy()

    def ticked(queued: int) -> float:
        began = time.perf_counter()
        assert tick(store, clock).queued == queued
        return (time.perf_counter() - began) * 1000

    idle = []
    for _ in range(ROUNDS):
        idle.append(ticked(0))
        clock.move(seconds=40)  # a longer silence would count as a downtime
    clock.instant = NOON.replace(minute=29)
    return TickTimes(statistics.median(idle), ticked(due), defined)
