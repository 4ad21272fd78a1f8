from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sauron.cli.root import COMMANDS
from tests.terminal import ROOT, run_on_terminal
from tests.unit.container.cli.conftest import Cli


def test_help_lists_every_command_with_a_sentence_in_order(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    listed = re.findall(r"^  ([a-z-]+) +\S", said.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == [command.name for command in COMMANDS]
    assert "..." not in said.out.partition("Commands:")[2]


@pytest.mark.parametrize("name", [command.name or "" for command in COMMANDS])
def test_every_command_has_help_of_whole_sentences(cli: Cli, name: str) -> None:
    said = cli(name, "--help")
    assert said.code == 0
    assert "--json" in said.out
    first = said.out.split("\n\n")[1].strip()
    assert first.endswith(".")


def test_an_unknown_command_is_exit_2_and_one_line_that_names_the_help(cli: Cli) -> None:
    said = cli("lst")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("sauron: No such command 'lst'.")
    assert "`sauron --help` shows how." in said.err
    assert said.err.count("\n") == 1


def test_a_wrong_setting_is_exit_2_with_every_fault(cli: Cli) -> None:
    said = cli("list", SAURON_WORKERS="many", API_PORT="none")
    assert said.code == 2
    assert "SAURON_WORKERS" in said.err
    assert "API_PORT" in said.err


def test_no_command_is_exit_2_with_the_help(cli: Cli) -> None:
    said = cli()
    assert said.code == 2
    assert "Commands:" in said.out + said.err


@pytest.mark.parametrize("command", ["version", "list", "status", "serve"])
def test_a_wrong_env_file_is_exit_2_and_no_traceback_for_every_command(
    cli: Cli, tmp_path: Path, command: str
) -> None:
    (tmp_path / ".env").write_bytes("#caf\u00e9\n".encode("latin-1"))
    said = cli(command)
    assert said.code == 2
    assert f"{tmp_path}/.env cannot be read" in said.err
    assert said.err.count("\n") == 2


@pytest.mark.process
def test_a_command_imports_no_library_that_it_does_not_use() -> None:
    probe = (
        "import sys; from sauron.cli.root import invoke; invoke(['version']);"
        "print(sorted({'boto3', 'git', 'dulwich', 'paramiko', 'httpx', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


SECRET = "hunter2-and-more"
FAILS = """
import sys
import click
from chalicelib import logs
from chalicelib.errors import SauronError
from sauron.cli import client, main

SECRET = "hunter2" + "-and-more"

@click.command("fail")
@click.pass_obj
def fail(_client):
    local_variable = "a-local-" + "value"
    try:
        raise ValueError(f"cannot log in with {SECRET}")
    except ValueError:
        logs.get("store").exception("store.failed", url=f"postgresql://me:{SECRET}@h")
    if END:
        raise END(f"no store at {SECRET}")

fail.params.extend(client.shared_options())
main(sys.argv[1:], commands=[fail])
"""


def on_pipe(command: list[str], *, environ: dict[str, str], cwd: Path = ROOT) -> tuple[int, str]:
    ended = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environ},
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.process
@pytest.mark.parametrize("run", [on_pipe, run_on_terminal])
@pytest.mark.parametrize("end", ["SauronError", "RuntimeError"])
@pytest.mark.parametrize("place", ["variable", "file", ".env", "token", "address", "option"])
def test_a_command_shows_no_secret_in_its_log_its_error_or_its_crash(
    run: Callable[..., tuple[int, str]], end: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / ".env").write_text(f"JOBS_GIT_TOKEN={SECRET}" if place == ".env" else "")
    environ = {
        "variable": {"JOB_QUEUE_DB_URL": f"postgresql://me:{SECRET}@h/db"},
        "file": {"JOBS_GIT_TOKEN_FILE": str(tmp_path / "token")},
        "token": {"SAURON_TOKEN": SECRET},
        "address": {"SAURON_URL": f"http://me:{SECRET}@h"},
    }.get(place, {})
    options = ["--token", SECRET] if place == "option" else []
    program = FAILS.replace("END", end)
    paths = f"{ROOT}:{ROOT / 'container'}"
    code, text = run(
        [sys.executable, "-c", program, "fail", *options],
        environ={"LOG_LEVEL": "DEBUG", "PYTHONPATH": paths, **environ},
        cwd=tmp_path,
    )
    assert code == 1
    assert "cannot log in with ***" in text
    assert "no store at ***" in text
    assert SECRET not in text
    assert "a-local-value" not in text
