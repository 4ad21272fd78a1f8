"""Very many jobs and runs, put into a store at once: what pages must bear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert

from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import RunState
from chalicelib.store import Store, duties, incidents, ledger
from chalicelib.store.schema import job_queue, jobs
from tests.conftest import job_record
from tests.recorded_runs import run_id

# schedules and the minutes between two fire times
CRONS = (("* * * * *", 1), ("*/5 * * * *", 5), ("*/10 * * * *", 10), ("7 * * * *", 60), ("20 4 * * *", 1440))
AT_ONCE = 10_000
WORDS = "Copies what the shop sold yesterday into the warehouse and says what it left out"


def fill(store: Store, *, now: datetime, jobs_count: int, runs_count: int) -> None:
    """Put jobs with runs of their past into an empty store, the newest up to now; every 25th job fails."""
    with store.write() as tx:
        first = JobSpec.from_record(job_record("first", "20 4 * * *"))
        ledger.define(tx, first, None, source="bundle", revision="a" * 40, now=now)
        tx.execute(job_queue.delete())
        tx.execute(jobs.delete())
        tx.execute(insert(jobs), list(_jobs(now, jobs_count)))
        duties.duty_done(tx, duties.TICK, at=now)
    runs = _runs(now, jobs_count, runs_count)
    while some := list(islice(runs, AT_ONCE)):
        with store.write() as tx:
            tx.execute(insert(job_queue), some)
    with store.write() as tx:
        for number in range(0, jobs_count, 25):
            incidents.begin(
                tx,
                name(number),
                "failing",
                reason="The server refused the connection",
                since=now - timedelta(hours=3),
                told_at=now - timedelta(hours=2),
                job_id=name(number),
                run_id=None,
            )


def name(number: int) -> str:
    """Return the id of a job."""
    return f"shop-{number:05}-into-warehouse"


def _jobs(now: datetime, count: int) -> Iterator[dict[str, Any]]:
    fires = {cron: Schedule.parse(cron).after(now) for cron, _ in CRONS}
    for number in range(count):
        cron, _ = CRONS[number % len(CRONS)]
        record = job_record(name(number), cron, description=WORDS, tags=["shop"], project=f"p{number % 7}")
        spec = JobSpec.from_record(record)
        yield {
            "job_id": spec.id,
            "source": "bundle",
            "revision": "a" * 40,
            "record": json.dumps(record),
            "definition_hash": spec.definition_hash,
            "overlap": spec.overlap,
            "enabled": True,
            "cursor": now,
            "next_fire_at": fires[cron],
            "ledger_from": now - timedelta(days=1000),
        }


def _runs(now: datetime, jobs_count: int, count: int) -> Iterator[dict[str, Any]]:
    each = count // jobs_count
    for number in range(jobs_count):
        _, minutes = CRONS[number % len(CRONS)]
        for back in range(each, 0, -1):
            at = (now - timedelta(minutes=minutes * back)).replace(second=0, microsecond=0)
            failed = back % 97 == 0 or (back == 1 and number % 25 == 0)
            yield {
                "id": run_id(at, number),
                "job_id": name(number),
                "state": RunState.FAILED if failed else RunState.SUCCEEDED,
                "origin": "schedule",
                "fire_at": at,
                "due_at": at,
                "max_attempts": 3,
                "attempt": 1,
                "revision": "a" * 40,
                "created_at": at,
                "started_at": at,
                "finished_at": at + timedelta(seconds=20 + (number * 7 + back * 13) % 30),
                "error": "The server refused the connection" if failed else None,
            }
