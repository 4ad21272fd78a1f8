"""Commands that cannot run are told at check, with their file and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader.checks import commands
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.checks.tree import BundleTree
from tests.git_servers import BundleRepository, git

PATH = "/usr/bin:/bin"
FILES = {
    "bin/good.sh": (b"#!/bin/sh\necho\n", 0o755),
    "bin/mode.sh": (b"#!/bin/sh\necho\n", 0o644),
    "bin/dos.sh": (b"#!/bin/sh\r\necho\r\n", 0o755),
    "bin/ksh.sh": (b"#!/opt/none/ksh\n", 0o755),
    "bin/plain.sh": (b"echo\n", 0o755),
    "scripts/dos.py": (b"print()\r\n", 0o644),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (content, mode) in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(mode)
    return tmp_path


def told(folder: Path, *words: str, committed: bool = True) -> list[Remark]:
    function: dict[str, Any] = {"id": "f", "command": None}
    jobs = [{"id": "nightly", "place": "manifest.py:7", "command": list(words)}, function]
    return commands.check(BundleTree(folder, folder, committed=committed, jobs=jobs, path=PATH))


@pytest.mark.parametrize(
    ("command", "place", "text", "cure"),
    [
        (["bin/mode.sh"], "bin/mode.sh", "this file is not executable in git, and", "--chmod=+x bin/mode.sh"),
        (["bin/dos.sh"], "bin/dos.sh", "this file has Windows line ends", "eol=lf"),
        (["sh", "bin/dos.sh"], "bin/dos.sh", "this file has Windows line ends", "eol=lf"),
        (["bash", "-eu", "./bin/dos.sh"], "bin/dos.sh", "this file has Windows line ends", "eol=lf"),
        (["bin/ksh.sh"], "bin/ksh.sh", "this file asks for /opt/none/ksh, which is not installed", "install"),
        (["bin/plain.sh"], "bin/plain.sh", "this file has no `#!` line", "command=['sh', 'bin/plain.sh']"),
        (["bin/gone.sh"], "manifest.py:7", "the command of nightly: bin/gone.sh does not exist", "commit it"),
        (["sh", "bin/goods.sh"], "manifest.py:7", "bin/goods.sh does not exist", "write 'bin/good.sh'"),
        (["python3", "report.py"], "manifest.py:7", "report.py does not exist in the bundle", "commit it"),
        (["no-pg_dump", "shop"], "manifest.py:7", "nightly: no-pg_dump is not a program on PATH", "install"),
        (["env", "A=b", "no-pg_dump"], "manifest.py:7", "no-pg_dump is not a program", "install"),
        (["timeout", "-k", "5", "60s", "nice", "bin/mode.sh"], "bin/mode.sh", "not executable", "--chmod=+x"),
        (
            ["ls", "|", "wc"],
            "manifest.py:7",
            "'|' is a sign of the shell",
            "write command=['sh', '-c', 'ls | wc']",
        ),
        (["good.sh"], "manifest.py:7", "good.sh is a file of the bundle", "write 'bin/good.sh'"),
    ],
)
def test_a_command_that_cannot_run_is_told(
    command: list[str], place: str, text: str, cure: str, folder: Path
) -> None:
    (remark,) = told(folder, *command)
    assert (remark.file if remark.line is None else f"{remark.file}:{remark.line}") == place
    assert text in remark.text
    assert "nightly" in remark.text
    assert cure in remark.cure


@pytest.mark.parametrize(
    "command",
    [
        ["bin/good.sh"],
        ["./bin/good.sh", "-v"],
        ["sh", "bin/mode.sh"],
        ["sh", "-c", "bin/mode.sh | wc"],
        ["python3", "scripts/dos.py"],
        ["python3", "-m", "jobs.report"],
        ["env", "A=b", "sh", "bin/good.sh"],
        ["ls", "-l"],
    ],
)
def test_a_command_that_can_run_is_not_told(command: list[str], folder: Path) -> None:
    assert told(folder, *command) == []


def test_a_file_that_several_jobs_need_is_told_once(folder: Path) -> None:
    jobs = [{"id": name, "place": f"manifest.py:{name}", "command": ["bin/dos.sh"]} for name in "123"]
    (remark,) = commands.check(BundleTree(folder, folder, committed=True, jobs=jobs, path=PATH))
    assert remark.file == "bin/dos.sh"
    jobs = [{"id": name, "place": "manifest.py:7", "command": [f"no-{name}"]} for name in ("pg", "rsync")]
    found = commands.check(BundleTree(folder, folder, committed=True, jobs=jobs, path=PATH))
    assert [one.text.split()[4] for one in found] == ["no-pg", "no-rsync"]


@pytest.mark.process
def test_the_mode_in_git_counts_for_an_author_whose_file_system_has_another(folder: Path) -> None:
    bundle = BundleRepository(folder)
    git("init", "-q", cwd=folder)
    git("config", "core.fileMode", "false", cwd=folder)
    git("add", "--all", "--chmod=-x", cwd=bundle.path)
    (remark,) = told(folder, "bin/good.sh", committed=False)
    assert remark.cure.startswith("run `git update-index --chmod=+x bin/good.sh` and commit")
    git("update-index", "--chmod=+x", "bin/good.sh", cwd=folder)
    assert told(folder, "bin/good.sh", committed=False) == []
    (folder / "bin/good.sh").chmod(0o644)
    assert told(folder, "bin/good.sh", committed=False) == []
