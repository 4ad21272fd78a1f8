"""Commands about alerts: list open incidents and waiting alerts, test the channels."""

from __future__ import annotations

import click

from chalicelib.text import counted

from .client import Client, command, shared_options
from .examples import examples
from .output import moment, say, show, show_json, table, waiting, zone

REASON_WIDTH = 120  # characters of a reason; --json shows all


@click.group("alerts", invoke_without_command=True, epilog=examples("sauron alerts", "sauron alerts --json"))
@click.pass_context
def alerts(context: click.Context) -> None:
    """List what is wrong now, and alerts that are not delivered yet."""
    if context.invoked_subcommand is None:
        _show(context.ensure_object(Client))


alerts.params.extend(shared_options())


def _show(client: Client) -> None:
    found = client.get("/alerts")
    if client.json:
        show_json(found)
        return
    if found["open"]:
        rows = [
            [one["subject"], one["kind"], moment(one["since"]), _brief(one["reason"])]
            for one in found["open"]
        ]
        table(["subject", "problem", f"since ({zone()})", "reason"], rows)
    else:
        show("Nothing is wrong.")
    if found["waiting"]:
        why = f" The last try failed: {found['last_error'].rstrip('.')}." if found["last_error"] else ""
        say(f"{counted(found['waiting'], 'alert')} not delivered yet.{why}")
    if not found["channels"]:
        say("No alert is sent: no channel is configured. `sauron alerts test` says what to set.")


def _brief(reason: str) -> str:
    line = reason.splitlines()[0] if reason else ""
    return line if len(line) <= REASON_WIDTH else f"{line[:REASON_WIDTH]}..."


@command("test", epilog=examples("sauron alerts test", "sauron alerts test --json"))
def test(client: Client) -> int:
    """Send a test alert through every channel. Exit code 1 if one failed or none is configured."""
    with waiting("Sending a test alert"):
        report = client.post("/alerts/test", slow=True)
    if client.json:
        show_json(report)
    else:
        for one in report["channels"]:
            (show if one["ok"] else say)(f"{one['channel']}: {one['detail']}")
        if not report["channels"]:
            say(report["message"])
    return 0 if report["success"] else 1


alerts.add_command(test)
