"""The workflows that authors copy are YAML, and use commands and options that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped] # it has no types

from sauron.cli.client import Client
from sauron.cli.root import COMMANDS

FOLDER = Path(__file__).parents[2] / "docs" / "ci"
FILES = sorted(FOLDER.iterdir())
OPTIONS = {
    "docker": {"--rm", "--entrypoint", "-e"},
    "gh": {"--edit-last", "--body-file"},
    "curl": {"--fail", "--silent", "--show-error", "--output", "--header", "--data", "--data-urlencode"},
    "jq": {"--raw-input", "--slurp"},
}
SHELL = {"code=0", "echo", "test", "exit"}


def scripts(value: Any) -> Iterator[str]:
    """Yield the lines of every `run` and `script`."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"run", "script"}:
                text = item if isinstance(item, str) else "\n".join(item)
                yield from text.replace("\\\n", " ").splitlines()
            else:
                yield from scripts(item)
    elif isinstance(value, list):
        for item in value:
            yield from scripts(item)


def commands(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    for word in [*shlex.split(line), "||"]:
        if word == "||":
            yield words
            words = []
        else:
            words.append(word)


def sauron(words: list[str]) -> None:
    """Read the arguments as the command line does."""
    words = words[: words.index(">")] if ">" in words else words
    (command,) = [one for one in COMMANDS if one.name == words[0]]
    assert isinstance(command, click.Command)
    command.make_context(words[0], words[1:], obj=Client())


def test_there_is_a_workflow_for_each_host() -> None:
    assert [file.name for file in FILES] == ["forgejo.yml", "github.yml", "gitlab.yml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_is_yaml_and_uses_what_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    planned = 0
    for line in scripts(yaml.safe_load(text)):
        for words in commands(line):
            program = words[0]
            if program.startswith(("code=$", "code=0")) or program in SHELL:
                continue
            if "plan" in words and program in {"docker", "sauron"}:
                sauron(words[words.index("plan") :])
                planned += 1
            if program != "sauron":
                own = words[: words.index("plan")] if program == "docker" else words
                assert {word for word in own if word.startswith("-")} <= OPTIONS[program], line
    assert planned == 1
    assert not re.search(r"https?://|\b[\w-]+\.(?:io|com|org|dev)\b", text)
    assert "${{" not in "".join(scripts(yaml.safe_load(text)))  # what a branch is called is no script


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_says_what_to_set_and_uses_nothing_else(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for name in set(re.findall(r"(?:vars|secrets)\.(\w+)", text)):
        assert re.search(rf"^#.*\b{name}\b", text, re.MULTILINE), name
