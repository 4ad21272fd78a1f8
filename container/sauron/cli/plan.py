"""The command `plan`: what a revision or a folder would change, as text, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from chalicelib.model.planning import DAYS, MOST_DAYS, to_mend
from chalicelib.text import counted

from . import candidate
from .client import Client, command
from .examples import examples
from .output import moment, remark_line, show, show_json, table, waiting, zone

ROWS = 30  # of each list that is shown; --json has them all


@command(
    "plan",
    epilog=examples("sauron plan", "sauron plan ops-jobs --days 30", "sauron plan fix-backup --markdown"),
)
@click.argument("target", metavar="[REF|DIR]", required=False)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=DAYS,
    show_default=True,
    help="How many days from now are compared.",
)
@click.option("--markdown", is_flag=True, help="Print a comment for a pull request.")
def plan(client: Client, *, target: str | None, days: int, markdown: bool) -> int:
    """Show what a branch, tag, commit or folder would change. Nothing is activated.

    Without REF it is the newest commit of the followed branch. Exit code 0 if nothing is wrong with it; 1 if
    a job is rejected, a secret is missing or a sync would hold it; 2 for wrong use.
    """
    if markdown and client.json:
        raise click.UsageError("--markdown and --json are two forms; choose one")
    if folder := candidate.folder_of(client, target):
        loaded = candidate.load(client, folder)
        found = client.sauron().questions.plan(days=days, candidate=loaded)
    else:
        with waiting("Loading the revision"):
            found = client.post("/plan", {"ref": target, "days": days}, slow=True)
    if client.json:
        show_json(found)
    elif markdown:
        from .plan_markdown import comment

        show(comment(found))
    else:
        _report(found)
    return 1 if to_mend(found) else 0


def _report(found: Mapping[str, Any]) -> None:
    show(
        f"From {short(found['from'])} to {short(found['to'])}, over the next {counted(found['days'], 'day')}."
    )
    _list(
        "Commits:",
        ["commit", "author", "date", "subject"],
        [[short(one["sha"]), one["author"], moment(one["date"]), one["subject"]] for one in found["commits"]],
    )
    _list(
        "Commits that it lacks:",
        ["commit", "author", "date", "subject"],
        [[short(one["sha"]), one["author"], moment(one["date"]), one["subject"]] for one in found["undone"]],
    )
    _list(
        "Jobs:",
        ["job", "change", "what", "occurrences", "for example"],
        [[one["job_id"], one["change"], what(one), moves(one), _examples(one)] for one in found["jobs"]],
    )
    load = found["load"]
    show()
    show(
        f"{load['before']} occurrences before, {load['after']} after; at most "
        f"{load['busiest']['runs']} in one minute"
        + (f", {moment(load['busiest']['at'])}." if load["busiest"]["at"] else ".")
    )
    _list(
        "Jobs that would fire together:",
        [f"when ({zone()})", "jobs"],
        [[moment(one["at"]), ", ".join(one["jobs"])] for one in found["collisions"]],
        found["collisions_count"],
    )
    _list(
        "When clocks change:",
        [f"when ({zone()})", "job", "what"],
        [[moment(one["at"]), one["job_id"], one["what"]] for one in found["dst"]],
        found["dst_count"],
    )
    _list(
        "Problems:",
        ["job", "problem", "cure"],
        [[one["job_id"], one["problem"], one["cure"]] for one in found["problems"]],
    )
    _list(
        "Required secrets that are not set:",
        ["job", "secrets"],
        [[one["job_id"], ", ".join(one["missing"])] for one in found["missing_secrets"]],
    )
    _list("Remarks:", ["remark"], [[remark_line(one)] for one in found["remarks"]])
    show()
    show(verdict(found))


def _list(title: str, columns: list[str], rows: list[list[str | None]], count: int | None = None) -> None:
    if not rows:
        return
    show()
    show(title)
    table(columns, rows[:ROWS])
    if (more := max(count or 0, len(rows)) - ROWS) > 0:
        show(f"... and {more} more: --json lists them.")


def short(name: str | None) -> str:
    """Return a revision as people write it; a folder as it is."""
    if name is None:
        return "nothing"
    return name[:12] if len(name) == 40 and not name.startswith("/") else name  # noqa: PLR2004 - a commit id


def what(job: Mapping[str, Any]) -> str:
    """Say what becomes of a job's definition."""
    before, after = job["before"], job["after"]
    said = []
    if before is None or after is None:
        said.append(_schedule(after or before))
    elif _schedule(before) != _schedule(after):
        said.append(f"{_schedule(before)} -> {_schedule(after)}")
    if before and after and before["id"] != after["id"]:
        said.insert(0, f"was {before['id']}")
    others = [name for name in job["changed"] if name not in {"cron", "timezone", "enabled", "renamed_from"}]
    if others:
        said.append(f"changed: {', '.join(others)}")
    return "; ".join(said + ([job["note"]] if job["note"] else []))


def _schedule(one: Mapping[str, Any]) -> str:
    return f"{one['cron']} ({one['timezone']})" + ("" if one["enabled"] else ", off")


def moves(job: Mapping[str, Any]) -> str:
    """Say how many occurrences appear and vanish."""
    return f"+{job['appear']} -{job['vanish']}" if job["appear"] or job["vanish"] else "as before"


def _examples(job: Mapping[str, Any]) -> str:
    marks = {"appears": "+", "vanishes": "-"}
    return ", ".join(f"{marks[one['what']]}{moment(one['at'])}" for one in job["examples"][:2])


def verdict(found: Mapping[str, Any]) -> str:
    """Say in one sentence whether something is to be mended."""
    problems, missing = len(found["problems"]), len(found["missing_secrets"])
    if not problems and not missing:
        changes = len(found["jobs"])
        return (
            f"Nothing is wrong with it; {counted(changes, 'job')} would change."
            if changes
            else ("Nothing is wrong with it, and no job would change.")
        )
    parts = [counted(problems, "problem")] if problems else []
    parts += [f"{counted(missing, 'job')} without required secrets"] if missing else []
    return f"To mend: {' and '.join(parts)}."
