from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.store import schema
from tests.unit.container.cli.conftest import Cli


def test_a_backup_is_a_whole_store_and_never_replaces_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "copy.sqlite3"
    assert cli("backup", str(file), "--json").json["bytes"] == file.stat().st_size
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT count(*) FROM job_queue").fetchone() == (0,)
    again = cli("backup", str(file))
    assert again.code == 1
    assert "exists already" in again.err


@pytest.mark.every_store
def test_migrate_says_the_schema_and_shows_no_password(cli: Cli) -> None:
    said = cli("migrate", "--json").json
    assert said["schema"] == schema.HEAD


def test_migrating_life_hub_without_one_says_what_to_set(cli: Cli) -> None:
    said = cli("migrate", "--life-hub")
    assert said.code == 1
    assert "Set DATABASE_URL=postgresql://" in said.err


@pytest.mark.parametrize("words", [("backup", "x"), ("migrate",), ("serve",)])
def test_commands_of_this_machine_refuse_an_address(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words, "--url", "http://127.0.0.1:9")
    assert said.code == 2
    assert f"{words[0]} works on this machine only; leave --url out" in said.err
