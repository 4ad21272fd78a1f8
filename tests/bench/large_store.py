"""A store on SQLite with very many runs of the past, made once a machine and kept in the user's cache folder.

Written by SQL alone, with indexes and triggers put back at the end: ten million runs one by one would take an
hour. Totals and days hold what the triggers would have counted. Only the newest store is kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

from chalicelib.store import Store
from chalicelib.store.schema import HEAD
from tests.conftest import START
from tests.many_jobs import CRONS, fill

BYTES = 1300  # of a run with its place in the indexes, about
AT_ONCE = 500  # runs of each job in a transaction
_AT = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', at{}, 'unixepoch')"
_RUNS = f"""
    WITH RECURSIVE
      back (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM back WHERE n < :last),
      numbered AS (SELECT job_id, CAST(substr(job_id, 6, 5) AS INTEGER) AS number FROM jobs),
      made AS (
        SELECT job_id, number, n, :now - 60 * n * CASE number % {len(CRONS)}
          {" ".join(f"WHEN {place} THEN {minutes}" for place, (_, minutes) in enumerate(CRONS))} END AS at,
          n % 97 = 0 OR (n = 1 AND number % 25 = 0) AS failed
        FROM back, numbered
      )
    INSERT INTO job_queue (id, job_id, state, origin, fire_at, due_at, max_attempts, attempt, revision,
      created_at, started_at, finished_at, error)
    SELECT printf('%08x-%04x-7000-8000-%012x', at * 1000 >> 16, at * 1000 & 65535, number), job_id,
      CASE WHEN failed THEN 'failed' ELSE 'succeeded' END,
      'schedule', {_AT.format("")}, {_AT.format("")}, 3, 1, :revision,
      {_AT.format("")}, {_AT.format("")}, {_AT.format(" + 20 + (number * 7 + n * 13) % 30")},
      CASE WHEN failed THEN 'The server refused the connection' END
    FROM made
"""  # noqa: S608 - made of constants
_TOTALS = """
    INSERT INTO run_totals (job_id, state, runs, last_at)
    SELECT job_id, state, count(*), max(finished_at) FROM job_queue GROUP BY job_id, state;
    INSERT INTO run_days (job_id, day, state, runs)
    SELECT job_id, substr(finished_at, 1, 10), state, count(*) FROM job_queue GROUP BY 1, 2, 3
"""


def large_store(jobs: int, runs: int) -> Path:
    """Return the file of a store with so many jobs and runs; one that is there already is taken."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sauron-bench"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"store-{HEAD}-{jobs}-{runs}.sqlite3"
    if found.exists():
        return found
    for old in cache.glob("store-*"):
        old.unlink()
    if shutil.disk_usage(cache).free < 2 * runs * BYTES:
        raise OSError(f"{cache} has no room for {runs:,} runs: {2 * runs * BYTES / 1e9:.0f} GB are needed")
    sys.stderr.write(f"Making a store of {runs:,} runs in {cache}\n")
    unfinished = cache / "store-unfinished.sqlite3"
    seed(unfinished, jobs, runs)
    for beside in cache.glob(f"{unfinished.name}?*"):
        beside.unlink()
    unfinished.rename(found)
    return found


def seed(file: Path, jobs: int, runs: int) -> None:
    """Make a store in a file that is not there yet."""
    store = Store(f"sqlite:///{file}")
    store.migrate()
    fill(store, now=START, jobs_count=jobs, runs_count=0)
    store.checkpoint(at_once=True)
    store.close()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        _write(db, runs // jobs)


def _write(db: sqlite3.Connection, each: int) -> None:
    """Write so many runs of each job, and what is counted of them."""
    for pragma in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-400000", "temp_store=FILE"):
        db.execute(f"PRAGMA {pragma}")
    kept = db.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE tbl_name = 'job_queue' AND type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in kept:
        db.execute(f"DROP {kind} {name}")
    now = int(START.timestamp()) // 60 * 60
    for first in range(1, each + 1, AT_ONCE):
        last = min(each, first + AT_ONCE - 1)
        db.execute(_RUNS, {"first": first, "last": last, "now": now, "revision": "a" * 40})
    for statement in (*_TOTALS.split(";"), *(sql for _, _, sql in kept)):
        db.execute(statement)
    db.execute("PRAGMA journal_mode=WAL")
