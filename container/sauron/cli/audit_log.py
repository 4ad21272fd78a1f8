"""The command `audit-log`: who did what, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from chalicelib.clock import iso
from chalicelib.model.acts import Door, Outcome

from .client import Client, command
from .completion import job_ids
from .examples import examples
from .jobs import Instant
from .output import moment, say, show_json, table, zone

DOORS, OUTCOMES = [str(door) for door in Door], [str(outcome) for outcome in Outcome]
SHOWN = 20  # acts per page without --limit


@command(
    "audit-log",
    epilog=examples("sauron audit-log --since 1d", "sauron audit-log --subject daily-report --act disable"),
)
@click.option(
    "--who", metavar="NAME", help="Only acts of this token; `local` is this machine's command line."
)
@click.option(
    "--door",
    "doors",
    multiple=True,
    type=click.Choice(DOORS),
    help="Only this way in.",
)
@click.option("--act", "acts", multiple=True, help="Only this act, such as disable. May be repeated.")
@click.option(
    "--subject",
    metavar="ID",
    shell_complete=job_ids,
    help="Only acts on this job, run, runner or revision.",
)
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only what was done, or refused.")
@click.option("--since", type=Instant(back=True), help="Only acts since then. A time, or 90m, 12h, 3d ago.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=SHOWN, show_default=True, help="How many acts."
)
@click.option("--after", metavar="ENTRY", help="Continue the list after this act.")
def audit_log(
    client: Client,
    *,
    who: str | None,
    doors: Sequence[str],
    acts: Sequence[str],
    subject: str | None,
    outcome: str | None,
    since: datetime | None,
    limit: int,
    after: str | None,
) -> None:
    """List who did what, why, and what came of it; newest first."""
    found = client.get(
        "/audit-log",
        who=who,
        door=",".join(doors) or None,
        act=",".join(acts) or None,
        subject=subject,
        outcome=outcome,
        since=iso(since) if since else None,
        limit=limit,
        after=after,
    )
    if client.json:
        show_json(found)
        return
    if not found["entries"]:
        say("No act matches.")
        return
    table(
        [f"at ({zone()})", "who", "door", "from", "act", "subject", "outcome", "why"],
        [
            [
                moment(one["at"]),
                one["who"],
                one["door"],
                one["address"],
                one["act"],
                one["subject"],
                one["effect"]["text"] if one["effect"] else one["outcome"],
                one["detail"] or one["reason"],
            ]
            for one in found["entries"]
        ],
    )
    if found["next_after"]:
        say(f"For older ones add --after {found['next_after']}")
