"""Commands about runners: drain one before it is stopped, and resume it."""

from __future__ import annotations

import click

from .client import Client, command, path
from .examples import examples
from .output import show, show_json


@command("drain", epilog=examples("sauron drain web-1-4711-a1b2c3", "sauron drain web-1-4711-a1b2c3 --json"))
@click.argument("name", metavar="RUNNER")
def drain(client: Client, *, name: str) -> None:
    """Stop a runner from claiming runs. Its running attempts finish; `sauron status` names the runners."""
    _post(
        client,
        name,
        "drain",
        "claims no more runs. Its running attempts finish; `sauron status` counts them.",
    )


@command(
    "resume", epilog=examples("sauron resume web-1-4711-a1b2c3", "sauron resume web-1-4711-a1b2c3 --json")
)
@click.argument("name", metavar="RUNNER")
def resume(client: Client, *, name: str) -> None:
    """Let a drained runner claim runs again."""
    _post(client, name, "resume", "claims runs again.")


def _post(client: Client, name: str, act: str, words: str) -> None:
    answer = client.post(path("runners", name, act))
    if client.json:
        show_json(answer)
    else:
        show(f"{name} {words}")
