"""What a long downtime costs at the next start: 2,000 jobs of every minute, away for a year."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.measuring import Server, bundle, say

MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry

for number in range({count}):
    job_registry.register(JobConfig(id=f"job-{{number}}", cron="* * * * *", func=print))
"""
# A store as it was left a year ago, and nothing of the minute in which it was made.
AGED = (
    "DELETE FROM job_queue",
    "DELETE FROM attempts",
    "UPDATE jobs SET cursor = :then, next_fire_at = :then, ledger_from = :then WHERE job_id LIKE 'job-%'",
    "UPDATE periods SET since = :then WHERE job_id LIKE 'job-%'",
    "UPDATE duties SET at = :then",
)
ROWS = "SELECT count(*), sum(gap_count), count(DISTINCT job_id) FROM job_queue WHERE job_id LIKE 'job-%'"


def bench_downtime(count: int = 2000) -> None:
    """Start after a year: until /ready is 200 and each occurrence of the year is in the ledger."""
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        folder = Path(name)
        bundle(folder / "bundle", MANIFEST.format(count=count))
        one = {"SAURON_WORKERS": "1"}
        Server(folder, **one).close()
        then = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=365)
        store = folder / ".sauron" / "sauron.sqlite3"
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            for statement in AGED:
                db.execute(statement, {"then": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
        began = time.perf_counter()
        server = Server(folder, **one)
        try:
            server.wait(lambda: server.http.get("/ready").status_code == 200)
            with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
                server.wait(lambda: db.execute(ROWS).fetchone()[2] == count)
                took = time.perf_counter() - began
                rows, missed, _ = db.execute(ROWS).fetchone()
            assert server.http.get("/audit").json()["clean"]
        finally:
            server.close()
    say(f"start with {count:,} minutely jobs after a year of downtime", took, "s", "limit 5 s")
    say("rows that stand for the year, of each job", rows / count, "rows", f"{missed:,} occurrences missed")
