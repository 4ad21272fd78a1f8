"""The real application over a real store."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from chalicelib import logs, wiring
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.wiring import LAMBDA, Sauron
from chalicelib.wiring import build as build_sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client

Build = Callable[..., Sauron]


@pytest.fixture
def build(tmp_path: Path, clock: ManualClock, empty_store: Path) -> Iterator[Build]:
    """Put a Sauron with these settings in place."""
    shutil.copy(empty_store, tmp_path / "store.sqlite3")
    made: list[Sauron] = []

    def make(**environ: str) -> Sauron:
        sauron = build_sauron(
            Settings.read(
                {
                    "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/store.sqlite3",
                    "JOBS_DIR": f"{tmp_path}/jobs",
                    **environ,
                }
            ),
            clock=clock,
            runtime=LAMBDA,
        )
        wiring.PROCESS.set(sauron)
        made.append(sauron)
        return sauron

    yield make
    wiring.PROCESS.set(None)
    for sauron in made:
        sauron.close()


@pytest.fixture(scope="session")
def store_of_two(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two jobs, one on, one off; it is to be copied."""
    file, clock = tmp_path_factory.mktemp("two") / "store.sqlite3", ManualClock()
    shutil.copy(empty_store, file)
    made = Store(f"sqlite:///{file}")
    define(made, clock, "nightly-backup", "0 3 * * *", tags=["ops"], project="infra", description="Copies")
    define(made, clock, "digest", "0 8 * * 1-5", enabled=False, timezone="Europe/Berlin")
    made.backup(file.with_name("copy.sqlite3"))
    made.close()
    return file.with_name("copy.sqlite3")


@pytest.fixture
def sauron(build: Build, store_of_two: Path, tmp_path: Path) -> Sauron:
    """A Sauron with two jobs: one on, one off."""
    shutil.copy(store_of_two, tmp_path / "store.sqlite3")
    return build()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def log_text() -> Iterator[io.StringIO]:
    """The text of Sauron's log."""
    before = logging.getLogger().handlers[:]
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()
