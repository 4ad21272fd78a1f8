"""Each template is a good bundle, and its jobs run as they lie."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.http_receiver import Answer, receive
from tests.unit.container.cli.conftest import Cli

pytestmark = pytest.mark.process


def made(cli: Cli, template: str, jobs: list[str]) -> tuple[str, ...]:
    """Make a bundle of a template, check it, and return the words that run a job of it."""
    assert cli("init", "bundle", "--template", template).code == 0
    checked = json.loads(cli("check", "bundle", "--json").out)
    assert (checked["faults"], checked["remarks"]) == ([], [])
    assert [job["id"] for job in checked["jobs"]] == jobs
    return ("run", "--direct", "--from", "bundle", "--json")


def result(cli: Cli, *words: str) -> Any:
    said = cli(*words)
    return (said.code, *json.loads(said.out)["result"].values())


def test_backup_keeps_the_newest_archives_and_reads_one_to_its_end(cli: Cli, tmp_path: Path) -> None:
    run = made(cli, "backup", ["backup", "backup-check"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("kept")
    where = ("--param", f"source={tmp_path}/data", "--param", f"target={tmp_path}/kept")
    (tmp_path / "kept").mkdir()
    for day in range(3):
        (tmp_path / f"kept/2020-01-0{day + 1}T000000.tar.gz").write_text("old")
    assert result(cli, *run, "backup", *where, "--param", "keep=2")[:2] == (0, "success")
    newest, older = sorted((tmp_path / "kept").iterdir(), reverse=True)
    assert older.name == "2020-01-03T000000.tar.gz"
    with tarfile.open(newest) as packed:
        assert packed.getnames() == ["a.txt"]
    assert result(cli, *run, "backup-check", *where) == (0, "success", f"{newest.name} is whole")
    newest.write_bytes(newest.read_bytes()[:-20])
    assert cli(*run, "backup-check", *where).code == 1


def test_healthcheck_tells_a_good_website_from_a_bad_one(cli: Cli) -> None:
    run = made(cli, "healthcheck", ["website", "disk"])
    with receive(Answer(body="hello"), Answer(body="goodbye")) as site:
        url = ("website", "--param", f"url={site.url}/", "--param", "contains=hello")
        assert result(cli, *run, *url)[:2] == (0, "success")
        assert cli(*run, *url).code == 1
    assert result(cli, *run, "disk", "--param", "limit_percent=0")[:2] == (0, "degraded")


def test_etl_stores_each_order_once(cli: Cli, tmp_path: Path) -> None:
    run = made(cli, "etl", ["orders"])
    target = ("orders", "--param", f"target={tmp_path}/orders.sqlite3")
    assert result(cli, *run, *target) == (0, "success", "3 orders stored", 3)
    with closing(sqlite3.connect(tmp_path / "orders.sqlite3")) as store:
        assert store.execute("SELECT customer, cents FROM orders ORDER BY id").fetchall() == [
            ("Ada", 1250),
            ("Grace", 805),
            ("Edsger", 10000),
        ]
    assert result(cli, *run, *target, "--param", "again=true") == (0, "success", "0 orders stored", 3)


def test_empty_has_no_job_and_is_good(cli: Cli) -> None:
    made(cli, "empty", [])
    manifest = Path("bundle/manifest.py")
    manifest.write_text(manifest.read_text().replace("# JobConfig", "JobConfig"))
    assert cli("run", "disk-report", "--direct", "--from", "bundle").code == 0
