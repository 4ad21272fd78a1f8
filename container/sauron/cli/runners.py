"""Commands about runners: having one of several claim nothing more before it is taken away."""

from __future__ import annotations

import click

from .client import Client, command, path
from .output import show, show_json


@command("drain")
@click.argument("name", metavar="RUNNER")
def drain(asked: Client, *, name: str) -> None:
    """Have a runner (its name is in `sauron status`) claim nothing more; what it runs goes on to its end."""
    _tell(
        asked,
        name,
        "drain",
        "claims nothing more. What it runs goes on; `sauron status` shows when nothing does.",
    )


@command("resume")
@click.argument("name", metavar="RUNNER")
def resume(asked: Client, *, name: str) -> None:
    """Have a drained runner claim again."""
    _tell(asked, name, "resume", "claims again.")


def _tell(asked: Client, name: str, act: str, words: str) -> None:
    answer = asked.post(path("runners", name, act))
    if asked.json:
        show_json(answer)
    else:
        show(f"{name} {words}")
