"""The command `why`: why a job ran, did not run, or will or will not run."""

from __future__ import annotations

from typing import Any

import click

from chalicelib.answers.asked_time import read_asked_time
from chalicelib.model.instants import InstantError

from .client import Client, command, path
from .completion import job_ids
from .output import facts, moment, show, show_json, table, zone

EXAMPLES = """\b
Examples:
  sauron why nightly-backup
  sauron why nightly-backup --at 2026-03-29T02:30"""


class Written(click.ParamType[str]):
    """A time as it was written: only the job's zone says which instant it is."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; click.UsageError if it is not a time."""
        try:
            read_asked_time(value, "UTC")
        except InstantError as error:
            self.fail(str(error), param, ctx)
        return str(value)


@command("why", epilog=EXAMPLES)
@click.argument("job_id", metavar="ID", shell_complete=job_ids)
@click.option(
    "--at",
    type=Written(),
    help="The time in question, past or to come; without an offset in the job's zone. Without --at: the last "
    "occurrence, and what comes next.",
)
def why(client: Client, *, job_id: str, at: str | None) -> None:
    """Say why a job ran, did not run, or will or will not run."""
    found = client.ensure_synced().get(path("jobs", job_id, "why"), at=at)
    if client.json:
        show_json(found)
        return
    show(found["sentence"])
    show()
    schedule, switch = found["schedule"] or {}, found["enabled"]
    switched = f"{'on' if switch['enabled'] else 'off'} by {switch['who'] or switch['by']}"
    facts(
        [
            ("answer", found["answer"].replace("_", " ")),
            ("run", found["run"]),
            ("schedule", schedule.get("text")),
            ("revision", (found["revision"] or "")[:12]),
            ("switched", None if found["answer"] == "not_yet_defined" else switched),
        ]
    )
    if found["facts"]:
        show()
        rows = [[moment(fact["at"]), fact["what"]] for fact in found["facts"]]
        table([f"when ({zone()})", "what"], rows)
