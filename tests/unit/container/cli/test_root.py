from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sauron.cli.root import COMMANDS
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
def test_a_command_imports_no_library_of_aws_and_no_git() -> None:
    import subprocess

    probe = (
        "import sys; from sauron.cli.root import invoke; invoke(['version']);"
        "print(sorted({'boto3', 'git', 'dulwich', 'paramiko', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"
