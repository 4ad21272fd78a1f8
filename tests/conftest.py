"""Fixtures that every suite shares: a clock that is moved by hand, a real SQLite store, job records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.jobs import Job, JobSpec
from chalicelib.store import Store, ledger, registry

START = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)


class ManualClock:
    """A clock that only a test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.instant = now
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.elapsed

    def move(self, **delta: float) -> datetime:
        step = timedelta(**delta)
        self.instant += step
        self.elapsed += step.total_seconds()
        return self.instant


def job_record(job_id: str, cron: str = "* * * * *", **fields: Any) -> dict[str, Any]:
    """A record as a bundle's boot answers it, with the defaults of `JobConfig`."""
    return {
        "id": job_id,
        "cron": cron,
        "timezone": "UTC",
        "enabled": True,
        "timeout_seconds": 300,
        "max_attempts": 3,
        "tags": [],
        "project": None,
        "description": "",
        "queue_mode": True,
        "secrets": None,
        "jitter_minutes": 0,
        "overlap": "skip",
        "catchup": "latest",
        "catchup_window_seconds": 86400,
        "catchup_max": 100,
        "retry_backoff_seconds": 60,
        "alert_after": 1,
        "params": None,
        "renamed_from": None,
        "isolation": "fork",
        "entrypoint": "jobs.sample:run",
        "place": "manifest.py:1",
    } | fields


def define(store: Store, clock: ManualClock, job_id: str, cron: str = "* * * * *", **fields: Any) -> Job:
    """Put a job in force as a sync would and answer it."""
    spec = JobSpec.from_record(job_record(job_id, cron, **fields))
    with store.write() as tx:
        ledger.define(tx, spec, registry.job(tx, job_id), source="bundle", revision="a" * 40, now=clock.now())
        job = registry.job(tx, job_id)
    assert job is not None
    return job


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the operator's settings, and none runs in the project's folder."""
    for name in list(os.environ):
        if name.startswith(("SAURON_", "JOB", "AWS_")) or name.endswith(("_EMAIL", "_DB_URL", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    made.migrate()
    yield made
    made.close()
