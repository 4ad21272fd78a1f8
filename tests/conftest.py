"""Fixtures that every suite shares: a clock that is moved by hand, real stores, job records.

What speaks to the store is promised for every store: a module marked `every_store` runs on SQLite and on
PostgreSQL. The server is started once for a whole run of the tests (or TEST_DATABASE_URL names one, whose
user may create databases); each test gets a database of its own, copied from a migrated one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.model.jobs import Job, JobSpec
from chalicelib.store import Store, ledger, registry

GIVEN = os.environ.get("TEST_DATABASE_URL", "")
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
    """Put a job in force as a sync would and return it."""
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
        if name.startswith(("SAURON_", "JOB", "AWS_")) or name.endswith(
            ("_EMAIL", "_DB_URL", "DATABASE_URL")
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test of what every store does run on each of them."""
    chosen = any("store" in marker.args[0] for marker in metafunc.definition.iter_markers("parametrize"))
    if (
        "store" in metafunc.fixturenames
        and not chosen
        and metafunc.definition.get_closest_marker("every_store")
    ):
        metafunc.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Databases:
    """A real PostgreSQL in which a test gets a new database."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._numbers = itertools.count()
        self._template: str | None = None
        self._there: set[str] = set()

    def make(self, *, migrated: bool = True) -> str:
        """Make a database and return its URL."""
        if migrated and self._template is None:
            template = Store(self.make(migrated=False))
            template.migrate()
            template.close()
            self._template = template.url.database
        name = f"sauron_test_{os.getpid()}_{next(self._numbers)}"
        self._ask(f"CREATE DATABASE {name}" + (f" TEMPLATE {self._template}" if migrated else ""))
        self._there.add(name)
        base, _, query = self._root.partition("?")
        return base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")

    def drop(self, name: str) -> None:
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._there.discard(name)

    def drop_all(self) -> None:
        for name in list(self._there):
            self.drop(name)

    def _ask(self, statement: str) -> None:
        from tests.life_hub import ask

        ask(self._root, statement)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL for the whole run of the tests."""
    from tests.life_hub import Server, ask

    server = None if GIVEN else Server()
    if server:
        ask(server.url(), "ALTER SYSTEM SET fsync = off")  # no test cuts its power
        ask(server.url(), "SELECT pg_reload_conf()")
    made = Databases(server.url() if server else GIVEN)
    yield made
    made.drop_all()
    if server:
        server.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if getattr(request, "param", "sqlite") == "sqlite":
        made = Store(f"sqlite:///{tmp_path}/store.sqlite3")
        made.migrate()
    else:
        made = Store(request.getfixturevalue("databases").make())
    yield made
    made.close()
    if not made.sqlite:
        request.getfixturevalue("databases").drop(str(made.url.database))
