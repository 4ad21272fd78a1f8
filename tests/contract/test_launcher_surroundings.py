"""What a job finds around it: its own folder and settings, never those of the folder that holds JOBS_DIR."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, Runs, write_job

COMMIT = """
DAY = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True).stdout
def run():
    open("data.csv", "a").write("a line\\n")
    subprocess.run(["git", "add", "-A"])
    made = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", "commit", "-qam", "daily data"])
    return {"failed": made.returncode, "when loading": DAY}
"""
SEEN = """
def run():
    names = ("PWD", "OLDPWD", "PYTHONUNBUFFERED", "GIT_DIR", "GIT_WORK_TREE", "TMPDIR")
    return {name: os.environ.get(name) for name in names}
"""
SLOW = "import time\nprint('first', end=' ')\nprint('line')\ntime.sleep(60)\n"


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:
        yield Runs(launcher, tmp_path / "outer" / "jobs" / "bundle", request.param == "spawn")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=b")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True, env=ENVIRON
    )
    return done.stdout


@pytest.mark.parametrize("inherited", [False, True], ids=["found upwards", "inherited"])
def test_a_jobs_git_command_does_not_reach_the_repository_around_the_jobs_folder(
    runs: Runs, tmp_path: Path, inherited: bool
) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    (outer / "mine.txt").write_text("finished\n")
    git(outer, "add", "-A")
    git(outer, "commit", "-qm", "finished work")
    (outer / "mine.txt").write_text("half done\n")
    given = {"GIT_DIR": str(outer / ".git"), "GIT_WORK_TREE": str(outer)} if inherited else {}
    told = runs.job(COMMIT, environ=given, zygote_environ={**ENVIRON, **given})
    assert told.facts.result == {"ok": True, "value": {"failed": 128, "when loading": ""}}
    assert "not a git repository" in told.output
    assert git(outer, "log", "--format=%s") == "finished work\n"


def test_a_ceiling_that_is_given_stays_beside_that_of_the_jobs_folder(runs: Runs) -> None:
    given = {"GIT_CEILING_DIRECTORIES": "/elsewhere"}
    told = runs.job(
        "def run():\n    return os.environ['GIT_CEILING_DIRECTORIES']",
        environ=given,
        zygote_environ={**ENVIRON, **given},
    )
    assert told.verdict.result == f"{runs.folder.parent}{os.pathsep}/elsewhere"


def test_the_variables_that_a_job_inherits_are_true_of_it(runs: Runs) -> None:
    given = {"PWD": "/runner", "OLDPWD": "/before"}
    told = runs.job(SEEN, environ=given, zygote_environ={**ENVIRON, **given})
    assert told.verdict.result["PWD"] == str(runs.folder)
    assert told.verdict.result["OLDPWD"] is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("", "command=[sys.executable, 'slow.py']"),
        ("def run():\n    subprocess.run([sys.executable, 'slow.py'])", "func=run"),
    ],
    ids=["command", "child"],
)
def test_what_a_python_child_printed_is_in_the_log_when_it_is_ended_early(
    runs: Runs, body: str, fields: str
) -> None:
    write_job(runs.folder, body, fields)
    (runs.folder / "slow.py").write_text(SLOW)
    attempt, printed = runs.start(), bytearray()

    def take(data: bytes) -> None:
        printed.extend(data)
        if printed.endswith(b"\n"):
            attempt.stop("seen")

    assert runs.watch(attempt, timeout=15, on_output=take).facts.stop_reason == "seen"
    assert printed == b"first line\n"


def test_a_bundle_may_turn_the_buffer_of_its_children_on(runs: Runs) -> None:
    given = {"PYTHONUNBUFFERED": ""}
    told = runs.job(SEEN, environ=given, zygote_environ={**ENVIRON, **given})
    assert told.verdict.result["PYTHONUNBUFFERED"] == ""
