"""Commands about runners: drain one before it is stopped, and resume it."""

from __future__ import annotations

import click

from .client import Client, command, path
from .completion import runners
from .examples import examples
from .output import show, show_json


@command("drain", epilog=examples("sauron drain web-1-4711-a1b2c3", "sauron drain web-1-4711-a1b2c3 --json"))
@click.argument("name", metavar="RUNNER", shell_complete=runners)
@click.option("--reason", help="Why; kept in the audit log.")
def drain(client: Client, *, name: str, reason: str | None) -> None:
    """Stop a runner from claiming runs. Its running attempts finish; `sauron status` names the runners."""
    _post(
        client,
        name,
        "drain",
        reason,
        "claims no more runs. Its running attempts finish; `sauron status` counts them.",
    )


@command(
    "resume", epilog=examples("sauron resume web-1-4711-a1b2c3", "sauron resume web-1-4711-a1b2c3 --json")
)
@click.argument("name", metavar="RUNNER", shell_complete=runners)
@click.option("--reason", help="Why; kept in the audit log.")
def resume(client: Client, *, name: str, reason: str | None) -> None:
    """Let a drained runner claim runs again."""
    _post(client, name, "resume", reason, "claims runs again.")


def _post(client: Client, name: str, act: str, reason: str | None, words: str) -> None:
    answer = client.post(path("runners", name, act), {"reason": reason})
    if client.json:
        show_json(answer)
    else:
        show(f"{name} {words}")
