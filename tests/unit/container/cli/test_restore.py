from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.store import Store
from chalicelib.wakeup.peers import Peers, runners_folder
from tests.conftest import ManualClock, define
from tests.unit.container.cli.conftest import Cli


def test_a_restored_store_is_told_with_what_it_holds(
    cli: Cli, store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    define(store, clock, "nightly", "0 3 * * *")
    cli("disable", "nightly", "--reason", "broken disk")
    assert cli("backup", str(tmp_path / "copy")).code == 0
    store.close()
    said = cli("restore", str(tmp_path / "copy"))
    assert said.code == 0, said.err
    assert f"{store.path} is now the copy {tmp_path / 'copy'}." in said.out
    assert "nightly: disabled by" in said.out
    assert "(broken disk)" in said.out
    assert "start with JOB_QUEUE_ENABLED=0" in said.out


def test_the_same_is_told_as_json(cli: Cli, store: Store, clock: ManualClock, tmp_path: Path) -> None:
    define(store, clock, "hourly", "0 * * * *")
    cli("run", "hourly")
    store.backup(tmp_path / "copy")
    store.close()
    said = cli("restore", str(tmp_path / "copy"), "--json").json
    assert said["store"] == str(store.path)
    assert said["set_aside"].startswith(f"{store.path}.before-restore-")
    assert (said["holds"]["jobs"], said["holds"]["switches"], said["at_start"]["queued"]) == (1, [], 1)
    assert [one["job_id"] for one in said["at_start"]["caught_up"]] == ["hourly"]


def test_a_damaged_file_is_refused_and_the_store_stays(cli: Cli, store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"not what it should be " * 100)
    said = cli("restore", str(tmp_path / "copy"))
    assert (said.code, said.err) == (1, f"sauron: {tmp_path / 'copy'} is not an SQLite database.\n")
    with closing(sqlite3.connect(str(store.path))) as opened:
        assert opened.execute("SELECT count(*) FROM job_queue").fetchone() == (0,)


def test_a_file_that_is_not_there_is_a_mistake_of_the_command(cli: Cli, tmp_path: Path) -> None:
    said = cli("restore", str(tmp_path / "nope"))
    assert (said.code, f"There is no file {tmp_path / 'nope'}" in said.err) == (2, True)


def test_a_running_sauron_is_named(cli: Cli, store: Store, tmp_path: Path) -> None:
    assert store.path
    store.backup(tmp_path / "copy")
    runner = Peers(runners_folder(store.path))
    runner.join("box-7")
    said = cli("restore", str(tmp_path / "copy"))
    runner.leave()
    assert said.code == 1
    assert "(box-7). Stop it" in said.err


@pytest.mark.parametrize("place", ["postgresql://me@127.0.0.1:9/db"])
def test_a_database_server_is_restored_by_its_own_tool(cli: Cli, tmp_path: Path, place: str) -> None:
    said = cli("restore", str(tmp_path / "copy"), JOB_QUEUE_DB_URL=place)
    assert said.code == 1
    assert "pg_restore" in said.err
