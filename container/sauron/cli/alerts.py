"""Commands about alerts: what is wrong, and whether people can be told."""

from __future__ import annotations

import click

from .client import SHARED, Client, command
from .output import moment, say, show, show_json, table, waiting, zone

WIDEST = 120  # letters of a reason; --json has them all


@click.group("alerts", invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Say what is wrong now and which alerts wait; `sauron alerts test` sends a test through every channel."""
    if context.invoked_subcommand is None:
        _show(context.ensure_object(Client))


alerts.params.extend(SHARED())


def _show(asked: Client) -> None:
    found = asked.get("/alerts")
    if asked.json:
        show_json(found)
        return
    if found["open"]:
        rows = [
            [one["subject"], one["kind"], moment(one["since"]), _brief(one["reason"])]
            for one in found["open"]
        ]
        table(["subject", "what", f"since ({zone()})", "why"], rows)
    else:
        show("Nothing is wrong.")
    if found["waiting"]:
        why = f" The last try failed: {found['last_error']}" if found["last_error"] else ""
        say(f"{found['waiting']} alerts wait to be delivered.{why}")
    if not found["channels"]:
        say("Nobody is told: no channel is configured. `sauron alerts test` says what to set.")


def _brief(reason: str) -> str:
    line = reason.splitlines()[0] if reason else ""
    return line if len(line) <= WIDEST else f"{line[:WIDEST]}..."


@command("test")
def test(asked: Client) -> int:
    """Send a test alert through every channel; exit code 1 if one failed or none is configured."""
    with waiting("Sending a test alert"):
        said = asked.post("/alerts/test", slow=True)
    if asked.json:
        show_json(said)
    else:
        for one in said["channels"]:
            (show if one["ok"] else say)(f"{one['channel']}: {one['detail']}")
        if not said["channels"]:
            say(said["message"])
    return 0 if said["success"] else 1


alerts.add_command(test)
