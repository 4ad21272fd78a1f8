from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from chalicelib import __version__, wiring
from chalicelib.model.faults import HELD
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle
from chalicelib.wiring import Sauron
from sauron.startup_banner import JOBS_SHOWN, StartupBanner, how_to_change
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


def test_the_address_is_printed_before_what_has_to_be_looked_up(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    written: list[str] = []
    monkeypatch.setattr(out, "flush", lambda: written.append(out.getvalue()))
    monkeypatch.setattr(sys, "stdout", out)
    StartupBanner(build(), URL, command="sauron").print_start()
    assert written[0] == f"Sauron {__version__}\n  page and API  {URL}\n"
    assert "  store  " in written[1]


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


def test_a_revision_from_before_is_named_beside_the_bundle_that_is_not_in_force(
    build: Build, store: Store, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    define(store, clock, "backup", "0 3 1 1 *")
    with store.write() as tx:
        bundle.add_revision(tx, "b" * 40, [], [], subject=None, author=None, now=clock.now())
        bundle.change(tx, active_sha="b" * 40, last_error="it would remove most jobs", fault=HELD)
    made = build(JOBS_GIT_REPO_URL="https://git.test/other")
    StartupBanner(made, URL, command="sauron").print_start()
    words = "  in force      revision bbbbbbbbbbbb from before: the last sync activated nothing"
    assert words in capsys.readouterr().out.splitlines()
    with store.write() as tx:
        bundle.change(tx, last_error=None, fault=None)
    StartupBanner(made, URL, command="sauron").print_start()
    assert "in force" not in capsys.readouterr().out


ADD = "To add jobs: create a bundle with sauron init DIR, and restart with JOBS_GIT_REPO_URL=DIR."
EDIT = "To change a job: edit it in HERE, commit, then run sauron sync"
PUSH = "To change a job: push to branch main of the bundle, then run sauron sync"


@pytest.mark.parametrize(
    ("url", "seconds", "pinned", "said"),
    [
        (
            None,
            300,
            None,
            "To add jobs: create a bundle with sauron init DIR, and restart with JOBS_GIT_REPO_URL=DIR.",
        ),
        ("https://git.test/jobs", 300, None, f"{PUSH} or wait at most 300 s."),
        ("https://git.test/jobs", 0, None, f"{PUSH}."),
        (
            "HERE",
            60,
            None,
            "To change a job: edit it in HERE, commit, then run sauron sync or wait at most 60 s.",
        ),
        ("file://HERE", 0, None, "To change a job: edit it in HERE, commit, then run sauron sync."),
        (
            "https://git.test/jobs",
            300,
            "v1.2",
            "The bundle is pinned to v1.2. To follow branch main again: run sauron sync.",
        ),
    ],
)
def test_how_a_job_is_changed_is_one_clear_sentence(
    tmp_path: Path, url: str | None, seconds: int, pinned: str | None, said: str
) -> None:
    (tmp_path / "manifest.py").touch()
    url = url and url.replace("HERE", str(tmp_path))
    found = how_to_change("sauron", url, "main", seconds=seconds, pinned=pinned)
    assert found == said.replace("HERE", str(tmp_path))


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("jobs", [0, 1])
@pytest.mark.parametrize("error", [None, "no route to host"])
def test_each_combination_of_the_banner_reads_as_a_whole(
    build: Build,
    store: Store,
    clock: ManualClock,
    capsys: pytest.CaptureFixture[str],
    *,
    active: bool,
    jobs: int,
    error: str | None,
) -> None:
    if jobs:
        define(store, clock, "backup", "0 3 1 1 *")
    rejected = [{"job_id": None, "place": "manifest.py:9", "reason": "id is missing"}] if active else []
    with store.write() as tx:
        if active:
            bundle.add_revision(tx, "b" * 40, [], rejected, subject=None, author=None, now=clock.now())
            bundle.change(tx, active_sha="b" * 40)
        if active or error:
            bundle.change(tx, tried_at=clock.now(), last_error=error)
    banner = StartupBanner(build(JOBS_GIT_REPO_URL="https://git.test/jobs"), URL, command="sauron")
    banner.print_schedule()
    lines = capsys.readouterr().out.splitlines()
    revision = " (revision bbbbbbbbbbbb)" if active else ""
    expected = []
    if error:
        expected += [
            "The sync failed, so revision bbbbbbbbbbbb stays active:"
            if active
            else "Nothing is scheduled yet, because the first sync failed:",
            "  no route to host",
            "  Fix the cause. Sauron tries again by itself; `sauron sync` tries at once.",
        ]
    if active or error:
        if jobs:
            when = "at 03:00, on day 1 of the month, in January (UTC); next 2027-01-01T03:00:00Z"
            expected += [f"Scheduled{revision}:", f"  backup  {when}"]
        elif active:
            expected += [f"The bundle has no jobs{revision}."]
        expected += ["Left out: manifest.py:9 (id is missing)"] if active else []
        expected += [f"{PUSH} or wait at most 300 s."]
    assert lines == expected


def test_a_failed_sync_that_nobody_repeats_says_so(
    build: Build, store: Store, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.write() as tx:
        bundle.change(tx, active_sha="b" * 40, tried_at=clock.now(), last_error="no route")
    sauron = build(JOBS_GIT_REPO_URL="https://git.test/jobs", JOBS_REFRESH_INTERVAL_SECONDS="0")
    StartupBanner(sauron, URL, command="sauron").print_schedule()
    said = capsys.readouterr().out
    assert "  Fix the cause, then run sauron sync.\n" in said
    assert "by itself" not in said
