"""Commands about the bundle: syncing it, and going back to an earlier revision."""

from __future__ import annotations

from typing import Any

import click

from .client import Client, command
from .output import say, show, show_json, waiting


@command("sync")
@click.option("--ref", help="Pin the bundle to this branch, tag or commit, until a sync without --ref.")
@click.option("--accept-removals", is_flag=True, help="Let a revision in that removes most jobs.")
def sync(asked: Client, *, ref: str | None, accept_removals: bool) -> int:
    """Fetch the bundle and put its newest revision into force, all or nothing."""
    with waiting("Syncing the bundle"):
        report = asked.post("/sync", {"ref": ref, "accept_removals": accept_removals or None}, slow=True)
    return _tell(asked, report)


@command("rollback")
@click.argument("sha", metavar="SHA")
def rollback(asked: Client, *, sha: str) -> int:
    """Put an earlier revision into force, until the next `sauron sync`."""
    with waiting("Going back"):
        report = asked.post("/rollback", {"sha": sha}, slow=True)
    return _tell(asked, report)


def _tell(asked: Client, report: dict[str, Any]) -> int:
    if asked.json:
        show_json(report)
    elif report["success"]:
        show(report["message"])
        for mark, name in (("+", "jobs_added"), ("-", "jobs_removed"), ("~", "jobs_rescheduled")):
            for job_id in report[name]:
                show(f"  {mark} {job_id}")
    else:
        say(report["message"])
    return 0 if report["success"] else 1
