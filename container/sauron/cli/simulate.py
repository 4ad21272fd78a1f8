"""The command `simulate`: how the jobs would run, as a table, a timeline or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from chalicelib.clock import iso
from chalicelib.text import taken

from . import candidate
from .client import Client, command
from .examples import examples
from .jobs import Instant
from .output import facts, show, show_json, table, waiting
from .timeline import timeline

ROWS = 200  # of the table; --json has them all


@command(
    "simulate",
    epilog=examples(
        "sauron simulate --timeline", "sauron simulate ops-jobs --to 3d --workers 2 --pessimistic"
    ),
)
@click.argument("target", metavar="[REF|DIR]", required=False)
@click.option(
    "--from", "start", type=Instant(), help="From when: a time, or 90m, 12h, 3d from now; default now."
)
@click.option("--to", "end", type=Instant(), help="To when; default 24 hours later.")
@click.option(
    "--workers", type=click.IntRange(1, 10_000), help="How many workers; default as many as the runners have."
)
@click.option(
    "--pessimistic", is_flag=True, help="Take the 95th percentile of a job's good runs, not their median."
)
@click.option("--timeline", "drawn", is_flag=True, help="Draw when each job runs and waits.")
def simulate(
    client: Client,
    *,
    target: str | None,
    start: datetime | None,
    end: datetime | None,
    workers: int | None,
    pessimistic: bool,
    drawn: bool,
) -> None:
    """Simulate when jobs run, wait and are skipped. Durations are those that their good runs had.

    With REF or DIR the jobs of that branch, tag, commit or folder are simulated. Every run is taken to end
    well; what is running or queued now is not looked at. A job without good runs is taken for one second.
    """
    if drawn and client.json:
        raise click.UsageError("--timeline and --json are two forms; choose one")
    if folder := candidate.folder_of(client, target):
        found = client.sauron().questions.simulate(
            start=start,
            end=end,
            workers=workers,
            pessimistic=pessimistic,
            candidate=candidate.load(client, folder),
        )
    else:
        times = {"from": start and iso(start), "to": end and iso(end)}
        with waiting("Simulating"):
            found = client.get(
                "/simulate",
                **times,
                workers=workers,
                pessimistic="true" if pessimistic else None,
                ref=target,
            )
    if client.json:
        show_json(found)
    elif drawn:
        for line in timeline(found):
            show(line)
        _summary(found)
    else:
        _table(found)
        _summary(found)


def _table(found: Mapping[str, Any]) -> None:
    if not found["runs"]:
        show("No job fires in that time.")
        return
    table(
        ["fires (UTC)", "job", "state", "starts", "takes", "waits", "reason"],
        [_row(run) for run in found["runs"][:ROWS]],
    )
    if (more := len(found["runs"]) - ROWS) > 0:
        show(f"... and {more} more: --json lists them.")
    show()


def _row(run: Mapping[str, Any]) -> list[str | None]:
    begun = run["starts_at"] is not None
    length = _instant(run["ends_at"]) - _instant(run["starts_at"]) if begun else None
    return [
        f"{_instant(run['fire_at']):%a %m-%d %H:%M}",
        run["job_id"],
        run["state"],
        f"{_instant(run['starts_at']):%H:%M:%S}" if begun else None,
        None if length is None else taken(length.total_seconds()),
        taken(run["waited_seconds"]) if run["waited_seconds"] else None,
        run["reason"],
    ]


def _summary(found: Mapping[str, Any]) -> None:
    summary = found["summary"]
    busiest = summary["busiest"]
    facts(
        [
            ("from", found["from"]),
            ("to", found["to"]),
            ("workers", str(found["workers"])),
            ("runs", str(summary["runs"])),
            ("skipped", str(summary["skipped"])),
            ("missed", str(summary["missed"]) if summary["missed"] else None),
            ("longest wait", taken(summary["longest_wait_seconds"])),
            ("busiest", f"{busiest['running']} at once, {busiest['at']}" if busiest["at"] else None),
            ("busy", f"{summary['busy_share']:.1%} of the workers' time"),
            ("note", "\n".join(found["notes"])),
        ]
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
