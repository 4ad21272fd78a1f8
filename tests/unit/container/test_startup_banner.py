from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from chalicelib import wiring
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.wiring import Sauron
from sauron.startup_banner import JOBS_SHOWN, StartupBanner
from tests.conftest import ManualClock, define

URL = "http://127.0.0.1:8080"
Build = Callable[..., Sauron]


@pytest.fixture
def build(tmp_path: Path, store: Store, clock: ManualClock) -> Iterator[Build]:
    made: list[Sauron] = []

    def make(**environ: str) -> Sauron:
        fixed = {"JOB_QUEUE_DB_URL": str(store.url), "JOBS_DIR": str(tmp_path / "jobs")}
        made.append(wiring.build(Settings.read(fixed | environ), runtime=wiring.COMMAND_LINE, clock=clock))
        return made[-1]

    yield make
    for sauron in made:
        sauron.close()


def test_without_a_bundle_it_is_complete_at_once_and_says_how_to_add_jobs(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    banner = StartupBanner(build(), URL, command=".venv/bin/sauron")
    banner.print_start()
    said = capsys.readouterr().out
    assert banner.complete
    assert f"page and API  {URL}" in said
    assert ".venv/bin/sauron init DIR" in said


def test_a_banner_that_cannot_be_printed_ends_nothing(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closing it fails, too
    monkeypatch.setattr(sys, "stdout", full)
    banner = StartupBanner(build(), URL, command="sauron")
    banner.print_start()
    assert banner.complete
    with contextlib.suppress(OSError):
        full.close()


def test_a_schedule_that_cannot_be_read_yet_is_printed_later(
    build: Build, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    sauron = build()
    banner = StartupBanner(sauron, URL, command="sauron")
    with store.write() as tx:
        tx.execute(text("ALTER TABLE jobs RENAME TO away"))
    banner.print_schedule()
    assert capsys.readouterr().out == ""
    with store.write() as tx:
        tx.execute(text("ALTER TABLE away RENAME TO jobs"))
    banner.print_schedule()
    assert banner.complete
    assert "sauron init DIR" in capsys.readouterr().out


def test_an_open_api_and_a_stopped_queue_are_said(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    StartupBanner(build(JOB_QUEUE_ENABLED="0"), URL, command=".venv/bin/sauron").print_start()
    said = capsys.readouterr().out
    assert "open API      everyone who can reach it may run and change jobs" in said
    assert "not claiming" in said
    StartupBanner(
        build(SAURON_API_TOKENS="me:admin:a-long-token"), URL, command=".venv/bin/sauron"
    ).print_start()
    said = capsys.readouterr().out
    assert "open API" not in said
    assert "a-long-token" not in said


def test_with_a_bundle_the_schedule_waits_for_the_first_sync(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    banner = StartupBanner(build(JOBS_GIT_REPO_URL=str(tmp_path / "bundle")), URL, command=".venv/bin/sauron")
    banner.print_start()
    assert not banner.complete
    assert "bundle        " in capsys.readouterr().out
    banner.print_schedule()
    assert capsys.readouterr().out == ""


def test_long_lists_of_jobs_are_cut_and_say_where_the_rest_is(
    build: Build, store: Store, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(JOBS_SHOWN + 2):
        define(store, clock, f"job-{number:02}", "0 3 1 1 *")
    StartupBanner(build(), URL, command=".venv/bin/sauron").print_start()
    assert "  and 2 more: .venv/bin/sauron list" in capsys.readouterr().out
