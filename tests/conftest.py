"""Fixtures that every suite shares: a clock that is moved by hand, real stores, job records.

What speaks to the store is promised for every store: a module marked `every_store` runs on SQLite and on
PostgreSQL. The server is started once for a whole run of the tests (or TEST_DATABASE_URL names one, whose
user may create databases); each test gets a database of its own, copied from a migrated one.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import gc
import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from chalicelib.model.jobs import Job, JobSpec
from chalicelib.store import Store, ledger, registry
from chalicelib.store.database import Observer
from tests import compiled_statements  # noqa: F401 - engines share what they compile
from tests.handing_out import Groups, LongestFirst

HERE = Path(__file__).parent
EVERY_STORE = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
GIVEN = os.environ.get("TEST_DATABASE_URL", "")
EMPTY_FOLDER = pytest.StashKey[str]()  # where tests run that have no folder of their own
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
        "after": None,
        "pool": None,
        "priority": 0,
        "memory_mb": None,
        "max_processes": None,
        "slow_after_seconds": None,
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


_started: list[str] = []  # programs and processes that the current test started


def _note_processes(event: str, args: tuple[Any, ...]) -> None:
    if event in {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"}:
        _started.append(f"{event} {args[0] if args else ''}")


sys.addaudithook(_note_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Give each test the same surroundings, and take back what it changed in them.

    Not by fixtures that every test asks for: setting these up takes longer than most tests.
    """
    before = Path.cwd()
    folder = Path(item.config.stash[EMPTY_FOLDER])
    os.chdir(folder)
    _started.clear()
    environ, root, known = dict(os.environ), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        return (yield)
    finally:
        os.chdir(before)
        if any(folder.iterdir()):  # what a test wrote where it stood
            shutil.rmtree(folder)
            folder.mkdir()
        structlog.configure(**known)
        root.handlers[:] = handlers
        root.setLevel(level)
        if os.environ != environ:  # by a .env file that a command read
            os.environ.clear()
            os.environ.update(environ)
        if boto3 := sys.modules.get("boto3"):  # its session keeps the credentials it was made with
            vars(boto3)["DEFAULT_SESSION"] = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a unit test that starts a process and does not say so: the quick loop is what it promises."""
    result = yield
    marked = any(item.get_closest_marker(name) for name in ("process", "postgresql"))
    if _started and not marked and "unit" in item.path.parts:
        pytest.fail(f"mark this test `process`: it started {_started[0]}")
    return result


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder of the test's own, in which it runs."""
    os.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.hookimpl(optionalhook=True)  # without xdist there is one process, and nothing to hand out
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for PostgreSQL or for a stand-in of Amazon SES, which takes seconds to load."""
    for item in items:
        asked = getattr(item, "fixturenames", ())
        if "databases" in asked:
            item.add_marker(pytest.mark.postgresql)
        if "ses" in asked:
            item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    """Let no test see the operator's settings; order the tests where there are several processes."""
    for name in list(os.environ):
        if name.startswith(("SAURON_", "JOB", "AWS_")) or name.endswith(
            ("_EMAIL", "_DB_URL", "DATABASE_URL")
        ):
            del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a suite begun in the background by a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # its processes would inherit that
    # As Sauron's own log: a traceback with coloured source and local variables takes seconds to draw.
    *processors, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, plain])
    folder = tempfile.TemporaryDirectory(prefix="sauron-empty-")
    config.add_cleanup(folder.cleanup)
    config.stash[EMPTY_FOLDER] = folder.name
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(LongestFirst())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among the million objects that are collected, neither meanwhile nor later."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test of what every store does run on each of them."""
    chosen = any("store" in marker.args[0] for marker in metafunc.definition.iter_markers("parametrize"))
    if (
        "store" in metafunc.fixturenames
        and not chosen
        and metafunc.definition.get_closest_marker("every_store")
    ):
        metafunc.parametrize("store", EVERY_STORE, indirect=True)


class Databases:
    """A real PostgreSQL in which a test gets a new database, copied from one that was migrated once."""

    TEMPLATE = "sauron_template"

    def __init__(self, root: str, lock: Path) -> None:
        self._root = root
        self._lock = lock  # held while the template is made: other processes of this run share the server
        self._numbers = itertools.count()
        self._there: set[str] = set()

    def make(self, *, migrated: bool = True) -> str:
        """Make a database and return its URL."""
        if migrated:
            self._ensure_template()
        name = f"sauron_test_{os.getpid()}_{next(self._numbers)}"
        self._make(name, f" TEMPLATE {self.TEMPLATE}" if migrated else "")
        return self._url(name)

    @functools.cache  # noqa: B019 - one object a run
    def _ensure_template(self) -> None:
        with locked(self._lock):
            if self._ask(f"SELECT 1 FROM pg_database WHERE datname = '{self.TEMPLATE}'"):  # noqa: S608 - our own name
                return
            making = f"{self.TEMPLATE}_{os.getpid()}"
            self._ask(f"CREATE DATABASE {making}")
            template = Store(self._url(making))
            template.migrate()
            template.close()
            self._ask(f"ALTER DATABASE {making} RENAME TO {self.TEMPLATE}")

    def _make(self, name: str, how: str) -> None:
        self._ask(f"CREATE DATABASE {name}{how}")
        self._there.add(name)

    def _url(self, name: str) -> str:
        base, _, query = self._root.partition("?")
        return base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")

    def drop(self, name: str) -> None:
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._there.discard(name)

    def drop_all(self) -> None:
        for name in list(self._there):
            self.drop(name)

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        from tests.life_hub import ask

        return ask(self._root, statement)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock file that other processes of this run of the tests wait for."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def databases(testrun_uid: str) -> Iterator[Databases]:
    """One PostgreSQL for the whole run of the tests, shared by the processes that run them."""
    from tests.life_hub import Server, ask

    home = Path(tempfile.gettempdir()) / f"sauron-{testrun_uid[:12]}"
    home.mkdir(mode=0o700, exist_ok=True)
    server = None
    if not GIVEN:
        with locked(home / "lock"):
            server = Server(home)
            ask(server.url(), "ALTER SYSTEM SET fsync = off")  # no test cuts its power
            ask(server.url(), "SELECT pg_reload_conf()")
    made = Databases(server.url() if server else GIVEN, home / "lock")
    yield made
    made.drop_all()
    with locked(home / "lock"):
        if server:
            server.close()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store at the newest schema, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("template") / "store.sqlite3"
    made = Store(f"sqlite:///{file}")
    made.migrate()
    made.backup(file.with_name("copy.sqlite3"))
    made.close()
    return file.with_name("copy.sqlite3")


@contextlib.contextmanager
def observed(store: Store, observer: Observer) -> Iterator[Store]:
    """Open the same database once more, with an observer."""
    made = Store(store.url.render_as_string(hide_password=False), observer=observer)
    yield made
    made.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if getattr(request, "param", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("empty_store"), tmp_path / "store.sqlite3")
        made = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    else:
        made = Store(request.getfixturevalue("databases").make())
    yield made
    made.close()
    if not made.sqlite:
        request.getfixturevalue("databases").drop(str(made.url.database))
