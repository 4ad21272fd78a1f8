"""The help of every command ends in examples that this command line understands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sauron.cli.client import Client
from sauron.cli.examples import HEADING, examples
from sauron.cli.root import COMMANDS


def commands(group: click.Group | None = None, path: str = "sauron") -> Iterator[tuple[str, click.Command]]:
    for command in COMMANDS if group is None else group.commands.values():
        name = f"{path} {command.name}"
        yield name, command
        if isinstance(command, click.Group):
            yield from commands(command, name)


ALL = dict(commands())


def shown(command: click.Command, path: str) -> list[str]:
    """The lines below the heading, as the help prints them."""
    text = command.get_help(
        click.Context(command, info_name=path.rsplit(maxsplit=1)[-1], max_content_width=100)
    )
    assert text.count(HEADING) == 1, f"{path}: no {HEADING!r} in its help"
    return [line.strip() for line in text.partition(HEADING)[2].strip().splitlines()]


def parse(line: str) -> str:
    """Read a line as a shell and the command line do, without running it; return the command's path."""
    words = shlex.split(line)
    words = words[words.index("sauron") + 1 :]
    root = click.Group("sauron", commands={command.name or "": command for command in COMMANDS})
    context = root.make_context("sauron", words, obj=Client())
    path = "sauron"
    group: click.Group | None = root
    while group is not None and (rest := [*context._protected_args, *context.args]):
        name, command, arguments = group.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, arguments, parent=context)
        path = f"{path} {name}"
        group = command if isinstance(command, click.Group) else None
    return path


@pytest.mark.parametrize("path", ALL)
def test_every_command_shows_two_examples_that_are_commands_of_their_own(path: str) -> None:
    Path("ops-jobs").mkdir()  # the bundle that examples name
    lines = shown(ALL[path], path)
    assert len(lines) >= 2
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert parse(line).startswith(path), f"{path}: {line!r} is another command"


@pytest.mark.parametrize(
    "line", ["sauron lst", "sauron list --every", "sauron cron", "sauron cron x -n many"]
)
def test_a_line_that_is_no_command_would_be_noticed(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)


def test_examples_keep_their_lines_and_spaces() -> None:
    command = click.Command("x", epilog=examples("sauron x 'a  b'", "sauron x"))
    assert shown(command, "sauron x") == ["sauron x 'a  b'", "sauron x"]
