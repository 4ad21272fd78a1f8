"""A damaged store is told by everything that could vouch for it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from chalicelib.errors import DamagedStoreError
from chalicelib.maintenance.backup import backup
from chalicelib.settings import Settings
from chalicelib.wiring import COMMAND_LINE, RUNNER, Sauron
from chalicelib.wiring import build as build_sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client

ROUTES = ["/status", "/jobs", "/runs", "/next", "/audit", "/alerts", "/"]


def scribble(file: Path, *, pages_left: int) -> None:
    """Overwrite the file but for its first pages."""
    begin = 4096 * pages_left
    with file.open("r+b") as stream:
        stream.seek(begin)
        stream.write(b"\xff" * (file.stat().st_size - begin))


def scribble_unread(file: Path) -> None:
    """Overwrite a page that only an examination of the whole file reads."""
    with contextlib.closing(sqlite3.connect(file)) as store:
        (page,) = store.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'log_chunks'").fetchone()
    with file.open("r+b") as stream:
        stream.seek(4096 * (page - 1))
        stream.write(b"\xff" * 4096)


@pytest.fixture
def copy(sauron: Sauron, clock: ManualClock) -> Path:
    """The newest good copy of a store that is closed now."""
    made = backup(sauron.store, clock, sauron.settings).file
    sauron.store.checkpoint(at_once=True)
    sauron.store.engine.dispose()
    return made


def path_of(sauron: Sauron) -> Path:
    assert sauron.store.path
    return sauron.store.path


@pytest.mark.parametrize("first", [*ROUTES, "/ready"])
def test_whatever_meets_the_damage_first_and_all_others_say_so_with_the_newest_copy(
    sauron: Sauron, copy: Path, client: Client, first: str
) -> None:
    scribble(path_of(sauron), pages_left=2)
    for path in (first, *ROUTES, "/ready", "/health"):
        answer = client.get(path)
        assert answer.status == 503, path
        assert "damaged" in answer.body, path
        assert copy.name in answer.body, path
    assert client.get("/ready").json["ready"] is False
    assert client.get("/health").json["status"] == "unhealthy"
    refused = client.post("/jobs/nightly-backup/trigger")
    assert (refused.status, copy.name in refused.problem["detail"]) == (503, True)


def test_health_names_the_copy_and_no_folder_of_the_machine(
    sauron: Sauron, copy: Path, client: Client
) -> None:
    scribble(path_of(sauron), pages_left=2)
    client.get("/jobs")
    assert str(copy.parent) not in client.get("/health").body


def test_the_page_of_a_damaged_store_is_a_page(sauron: Sauron, copy: Path, client: Client) -> None:
    scribble(path_of(sauron), pages_left=2)
    answer = client.get("/", Accept="text/html")
    assert answer.status == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert f"sauron restore {copy}" in answer.body
    assert "All is well" not in answer.body


def test_an_audit_asks_the_whole_file_before_it_vouches(sauron: Sauron, copy: Path, client: Client) -> None:
    file = path_of(sauron)
    scribble_unread(file)
    assert client.get("/jobs").status == 200  # no read has met it
    assert client.get("/audit").status == 503
    assert client.get("/health").status == 503


def settings_of(sauron: Sauron) -> Settings:
    return Settings.read(
        {"JOB_QUEUE_DB_URL": str(sauron.store.url), "JOBS_DIR": str(sauron.settings.jobs_dir)}
    )


def test_a_runner_does_not_start_on_a_damaged_store(sauron: Sauron, copy: Path, clock: ManualClock) -> None:
    file = path_of(sauron)
    scribble_unread(file)
    with pytest.raises(DamagedStoreError, match=f"sauron restore {copy}"):
        build_sauron(settings_of(sauron), runtime=RUNNER, clock=clock)


def test_a_command_examines_a_store_that_was_not_closed(
    sauron: Sauron, copy: Path, clock: ManualClock
) -> None:
    file = path_of(sauron)
    scribble_unread(file)
    build_sauron(settings_of(sauron), runtime=COMMAND_LINE, clock=clock).close()
    Path(f"{file}-wal").write_bytes(b"left by a kill")
    with pytest.raises(DamagedStoreError):
        build_sauron(settings_of(sauron), runtime=COMMAND_LINE, clock=clock)
