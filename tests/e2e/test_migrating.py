"""Sauron takes over from 2.x: its queue file, bundle and variables. Queued runs run, history is shown."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Cli, Repository, Serve, Served, wait_for
from tests.life_hub import Server, ask

BUNDLE = Path(__file__).parents[1] / "bundles" / "earlier"
TABLE = """
CREATE TABLE job_queue (id VARCHAR(36) PRIMARY KEY, job_id VARCHAR(255) NOT NULL, status VARCHAR(20) NOT NULL,
  scheduled_for DATETIME NOT NULL, attempts INTEGER, max_attempts INTEGER, lease_owner VARCHAR(255),
  lease_expires_at DATETIME,
  dedupe_key VARCHAR(255) UNIQUE, payload TEXT, last_error TEXT, started_at DATETIME, finished_at DATETIME,
  created_at DATETIME, updated_at DATETIME);
CREATE INDEX ix_job_queue_due ON job_queue (status, scheduled_for);
"""
NOW = datetime.now(UTC).replace(tzinfo=None)


def earlier_row(
    job_id: str, status: str, *, ago: timedelta, attempts: int = 1, error: str | None = None
) -> tuple[object, ...]:
    at = NOW - ago
    began = str(at + timedelta(seconds=1)) if attempts else None
    ended = str(at + timedelta(seconds=3)) if status in {"success", "failure", "dead"} else None
    lease = ("earlier-host:1", str(NOW)) if status == "running" else (None, None)
    key = f"{job_id}:{at.isoformat()}"
    end = (None, error, began, ended, str(at), ended or str(at))
    return (str(uuid.uuid4()), job_id, status, str(at), attempts, 3, *lease, key, *end)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A queue file as the earlier system left it when it was killed."""
    rows = [earlier_row("backup-postgres", "success", ago=timedelta(days=n)) for n in range(1, 61)]
    rows += [
        earlier_row(
            "flaky-import", "failure", ago=timedelta(hours=30), error="the import host closed the connection"
        ),
        earlier_row("site-up", "dead", ago=timedelta(hours=3), attempts=3, error="no answer"),
        earlier_row("sync-calendar", "queued", ago=timedelta(hours=2), attempts=0),
        earlier_row("disk-health", "running", ago=timedelta(minutes=20)),
        earlier_row("no-longer-there", "queued", ago=timedelta(hours=1), attempts=0),
    ]
    file = tmp_path / "earlier" / "job_queue.sqlite3"
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.executescript(TABLE)
    connection.executemany("INSERT INTO job_queue VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return file


OPS = """
CREATE SCHEMA ops;
CREATE TABLE ops.jobs (job_key text PRIMARY KEY, job_id text NOT NULL, scheduler text, cron text,
  enabled boolean, tags text[],
  next_run_at timestamptz, last_seen_at timestamptz);
CREATE TABLE ops.runs (id bigserial PRIMARY KEY, job_key text, job_id text NOT NULL,
  started_at timestamptz NOT NULL, ended_at timestamptz, duration_ms integer, status text,
  error_message text, metadata jsonb, UNIQUE (job_key, started_at));
INSERT INTO ops.jobs VALUES
  ('sauron:backup-postgres', 'backup-postgres', 'sauron', '0 1 * * *', true, '{old}', NULL, NULL);
INSERT INTO ops.runs (job_key, job_id, started_at, status)
  SELECT 'sauron:backup-postgres', 'backup-postgres', now() - n * interval '1 day', 'success'
  FROM generate_series(1, 60) n;
"""


@pytest.fixture
def ops() -> Iterator[str]:
    """Life Hub as the earlier system used it: fewer columns, no definitions, its own rows."""
    server = Server()
    for statement in OPS.split(";\n"):
        if statement.strip():
            ask(server.url(), statement)
    yield server.url().replace("+psycopg", "")
    server.close()


def copied(served: Served, job_id: str) -> list[dict[str, Any]]:
    """The runs of a job that were due before this test, whatever its schedule adds meanwhile."""
    listed = served.http.get("/runs", params={"job_id": job_id, "limit": 200}).json()["runs"]
    return [run for run in listed if datetime.fromisoformat(run["due_at"]) < NOW.replace(tzinfo=UTC)]


def states(served: Served, job_id: str) -> list[str]:
    return [run["state"] for run in copied(served, job_id)]


def test_history_of_the_earlier_system_is_kept_and_what_it_had_queued_runs(
    repository: Repository, serve: Serve, cli: Cli, file: Path, ops: str
) -> None:
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{file}", "OPS_PROJECT": "life", "DATABASE_URL": ops}
    theirs = ask(ops, "SELECT r::text FROM ops.runs r ORDER BY id")
    made = cli("migrate", "--life-hub", **environ)
    assert made.code == 0
    assert "ops.runs: was there and stays as it is; it lacks" in made.out
    assert "ops.job_definitions: made" in made.out
    served = serve(**environ).until_ready()  # the bundle cannot be fetched yet: nothing may be lost over that
    wait_for(
        lambda: served.http.get("/status").json()["git_sync_status"]["last_error"],
        what="the first sync failed",
    )
    assert states(served, "sync-calendar") == states(served, "disk-health") == ["queued"]

    repository.commit({str(one.relative_to(BUNDLE)): one.read_text() for one in sorted(BUNDLE.rglob("*.py"))})
    assert served.http.post("/sync").json()["success"]
    wait_for(lambda: states(served, "sync-calendar") == ["succeeded"], what="what was queued has run")
    wait_for(lambda: states(served, "disk-health") == ["succeeded"], what="what was running has run again")
    wait_for(
        lambda: states(served, "no-longer-there") == ["skipped"],
        what="a run of a job that is gone is skipped",
    )
    [again] = copied(served, "disk-health")
    attempts = served.run(again["id"])["attempts"]
    assert [(one["number"], one["outcome"]) for one in attempts] == [(1, "interrupted"), (2, "succeeded")]

    assert states(served, "backup-postgres") == ["succeeded"] * 60
    [failed] = copied(served, "flaky-import")
    assert (failed["state"], failed["error"]) == ("failed", "the import host closed the connection")
    assert failed["finished_at"] == (NOW - timedelta(hours=30) + timedelta(seconds=3)).isoformat() + "Z"
    before = {run["id"] for run in copied(served, "backup-postgres")}
    assert served.http.get("/jobs/backup-postgres").json()["last_run"]["state"] == "succeeded"
    asked = served.trigger("backup-postgres")
    assert served.ended(asked)["state"] == "succeeded"
    newest = [
        run["id"]
        for run in served.http.get("/runs", params={"job_id": "backup-postgres", "limit": 5}).json()["runs"]
    ]
    # newer than all that was copied
    assert asked in newest[: next(place for place, run in enumerate(newest) if run in before)]
    assert served.http.get("/jobs/backup-postgres").json()["last_run"]["id"] not in before

    def in_life_hub() -> bool:
        return bool(
            ask(ops, "SELECT 1 FROM ops.runs WHERE metadata->>'run_id' = %s AND status = 'success'", asked)
        )

    wait_for(in_life_hub, what="the new run is in ops.runs")
    assert ask(ops, "SELECT r::text FROM ops.runs r WHERE metadata IS NULL ORDER BY id") == theirs
    standing = "SELECT cron, enabled FROM ops.jobs WHERE job_key = 'sauron:backup-postgres'"
    wait_for(lambda: ask(ops, standing) == [("0 2 * * *", True)], what="its definition is in ops.jobs")

    page = served.http.get("/")
    assert page.status_code == 200
    assert "backup-postgres" in page.text
    audit = cli("audit", **environ)
    assert audit.code == 0, audit.out + audit.err
    noted = [
        one
        for line in served.logged().splitlines()
        if (one := json.loads(line))["event"] == "takeover.rows_copied"
    ]
    assert [(one["runs"], one["queued"]) for one in noted] == [(65, 3)]
    assert served.stop() == 0

    served = serve(**environ).until_synced()  # the second start copies nothing again
    assert states(served, "sync-calendar") == ["succeeded"]
    assert "takeover.rows_copied" not in served.logged()
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    assert connection.execute("SELECT count(*) FROM earlier_job_queue").fetchone() == (65,)
    connection.close()
