"""A command that cannot be started says why by what its file is; a Python one imports what functions do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import IMPORTS, Runs, write_bundle

COMMANDS = {
    "crlf": ["bin/crlf"],
    "no-interpreter": ["bin/no-interpreter"],
    "mode": ["./bin/mode"],
    "env": ["bin/env"],
    "library": ["python", "scripts/report.py"],
    "below": ["sh", "-c", "python scripts/report.py"],
}
FILES = {
    "bin/crlf": (b"#!/bin/sh\r\necho hi\r\n", 0o755),
    "bin/no-interpreter": (b"#!/opt/none/ksh\n", 0o755),
    "bin/mode": (b"#!/bin/sh\necho hi\n", 0o644),
    "bin/env": (b"#!/usr/bin/env no-node\n", 0o755),
    "lib/words.py": (b"GREETING = 'from the bundle'\n", 0o644),
    "scripts/report.py": (b"from lib.words import GREETING\nprint(GREETING)\n", 0o644),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("commands")
    jobs = "".join(
        f"job_registry.register(JobConfig(id={name!r}, cron='@daily', command={command}))\n"
        for name, command in COMMANDS.items()
    )
    child = "def child():\n    subprocess.run([sys.executable, 'scripts/report.py'], check=True)\n"
    jobs += "job_registry.register(JobConfig(id='child', cron='@daily', func=child))\n"
    write_bundle(folder, f"{IMPORTS}{child}{jobs}")
    for name, (content, mode) in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:
        yield Runs(launcher, folder, spawn=False)


@pytest.mark.parametrize(
    ("job_id", "reason"),
    [
        ("crlf", "command 'bin/crlf' cannot be started: bin/crlf has Windows line ends. Save it with Unix"),
        ("no-interpreter", "bin/no-interpreter asks for /opt/none/ksh, which is not installed. Install ksh"),
        ("mode", "bin/mode is not executable in git. Run `git update-index --chmod=+x bin/mode` and commit"),
        ("env", "bin/env asks for no-node, which is not installed. Install no-node"),
    ],
)
def test_a_command_that_cannot_be_started_names_what_is_wrong_with_its_file(
    runs: Runs, job_id: str, reason: str
) -> None:
    told = runs.run(job_id)
    assert (told.verdict.outcome, told.verdict.error_type) == ("failed", "CommandError")
    assert reason in (told.verdict.error or "")
    assert "PATH" not in (told.verdict.error or "")
    assert reason in told.output


@pytest.mark.parametrize("job_id", ["library", "below", "child"])
def test_a_python_program_of_a_job_imports_the_bundles_packages(runs: Runs, job_id: str) -> None:
    told = runs.run(job_id)
    assert (told.verdict.outcome, told.output) == ("succeeded", "from the bundle\n")


def test_the_bundle_comes_before_what_pythonpath_names_already(runs: Runs, tmp_path: Path) -> None:
    for name in ("lib/words.py", "other/__init__.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("GREETING = 'from elsewhere'\n")
    assert runs.run("library", environ={"PYTHONPATH": str(tmp_path)}).output == "from the bundle\n"
