"""Commands that make a bundle: `init` and `import crontab`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.container.cli.conftest import Cli

CRONTAB = r"""
SHELL=/bin/bash
GREETING = "two  words"
# Where it runs
30 2 * * *    pwd; echo "$GREETING" "${BASH_VERSION:+bash}"
0 7 * * 1     tr a-z A-Z; date -d @0 +\%Y%dear all,%100\% done
@reboot       /srv/start
0 8 * * *     sh -c 'echo out; echo err >&2; exit 3'
"""


@pytest.mark.parametrize("words", [("init", "mine"), ("import", "crontab", "lines", "mine")])
def test_a_bundle_is_never_written_into_a_folder_that_holds_files(
    cli: Cli, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "lines").write_text(CRONTAB)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep me")
    said = cli(*words)
    assert said.code == 1
    assert "mine is not empty" in said.err
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("words", [("init", "x"), ("import", "crontab", "x", "y")])
def test_a_bundle_is_created_on_this_machine_only(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words, "--url", "http://127.0.0.1:9")
    assert said.code == 2
    assert f"{words[0]} works on this machine only" in said.err


@pytest.mark.parametrize("content", [b"", b"# nothing\n\nA=b\n", b"\xef\xbb\xbf"])
def test_a_crontab_without_a_line_that_runs_anything_is_refused_and_nothing_is_written(
    cli: Cli, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "lines").write_bytes(content)
    said = cli("import", "crontab", "lines", "bundle")
    assert (said.code, said.out) == (1, "")
    assert f"{tmp_path}/lines holds no line that runs a command" in said.err
    assert not (tmp_path / "bundle").exists()


def test_a_crontab_that_is_not_there_is_wrong_use(cli: Cli, tmp_path: Path) -> None:
    for name in ("gone", "."):
        said = cli("import", "crontab", name, "bundle")
        assert said.code == 2
        assert "is not a file. Name a crontab, or - for standard input" in said.err


def test_a_crontab_without_end_is_wrong_use(cli: Cli) -> None:
    said = cli("import", "crontab", "/dev/zero", "bundle")
    assert (said.code, "/dev/zero is larger than 1 MiB" in said.err) == (2, True)


@pytest.mark.process
def test_imported_lines_are_a_bundle_that_is_good_and_run_as_cron_ran_them(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(CRONTAB)
    made = json.loads(cli("import", "crontab", "lines", "bundle", "--json").out)
    assert [(job["id"], job["line"]) for job in made["jobs"]] == [("pwd", 5), ("tr-a-z", 6), ("echo-out", 8)]
    assert [(one["line"], one["text"]) for one in made["left_out"]] == [(7, "@reboot       /srv/start")]
    assert made["files"] == ["README.md", "manifest.py"]
    git = ["git", "-C", "bundle", "status", "--porcelain", "--branch"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == "## main\n"
    checked = json.loads(cli("check", "bundle", "--json").out)
    assert (checked["ok"], checked["remarks"]) == (True, [])
    home = tmp_path / "home"
    home.mkdir()
    run = ("run", "--direct", "--from", "bundle")
    assert cli(*run, "pwd", HOME=str(home)).out == f"{home}\ntwo  words bash\n"
    assert cli(*run, "tr-a-z", HOME=str(home)).out == "DEAR ALL,\n100% DONE\n1970\n"
    failed = cli(*run, "echo-out", HOME=str(home))
    assert (failed.code, failed.out) == (1, "out\nerr\n")
    assert not (tmp_path / "bundle/.sauron").exists()
    assert not (tmp_path / "jobs").exists()
