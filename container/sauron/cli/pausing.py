"""Commands about everything at once: pause, so that nothing starts, and unpause."""

from __future__ import annotations

from datetime import datetime

import click

from chalicelib.clock import iso

from .client import Client, command
from .examples import examples
from .jobs import Instant
from .output import show, show_json


@command(
    "pause",
    epilog=examples(
        'sauron pause --reason "database upgrade" --until 2027-03-01T06:00Z', "sauron pause --json"
    ),
)
@click.option("--reason", help="Why; shown to everyone who looks, and kept in the audit log.")
@click.option(
    "--until",
    type=Instant(),
    help="When it ends by itself; without it: `sauron unpause`. A time, or 90m, 12h, 3d.",
)
def pause(client: Client, *, reason: str | None, until: datetime | None) -> None:
    """Let nothing start. Occurrences are skipped; what runs goes on.

    Triggers are refused unless they are forced. A second pause takes the place of the first.
    """
    answer = client.post("/pause", {"reason": reason, "until": iso(until) if until else None})
    if client.json:
        show_json(answer)
    else:
        end = answer["paused"]["until"]
        show(
            f"Everything is paused until {end}." if end else "Everything is paused: `sauron unpause` ends it."
        )


@command("unpause", epilog=examples("sauron unpause", 'sauron unpause --reason "the database is back"'))
@click.option("--reason", help="Why; kept in the audit log.")
def unpause(client: Client, *, reason: str | None) -> None:
    """Let runs start again."""
    answer = client.post("/unpause", {"reason": reason})
    if client.json:
        show_json(answer)
    else:
        show("Runs start again.")
