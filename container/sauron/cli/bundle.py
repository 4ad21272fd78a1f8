"""Commands about the bundle: sync it, or roll back to an earlier revision."""

from __future__ import annotations

from typing import Any

import click

from .client import Client, command
from .completion import revisions
from .examples import examples
from .output import remark_line, say, show, show_json, waiting


@command("sync", epilog=examples("sauron sync", "sauron sync --ref try-it --accept-removals"))
@click.option("--ref", help="Pin the bundle to this branch, tag or commit, until a sync without --ref.")
@click.option("--accept-removals", is_flag=True, help="Activate the revision even if it removes most jobs.")
@click.option("--reason", help="Why; kept in the audit log.")
def sync(client: Client, *, ref: str | None, accept_removals: bool, reason: str | None) -> int:
    """Fetch the bundle and activate its newest revision. All or nothing: a fault changes nothing."""
    with waiting("Syncing the bundle"):
        body = {"ref": ref, "accept_removals": accept_removals or None, "reason": reason}
        report = client.post("/sync", body, slow=True)
    return _tell(client, report)


@command("rollback", epilog=examples("sauron rollback 4f2a91c", "sauron rollback 4f2a91c --json"))
@click.argument("sha", metavar="SHA", shell_complete=revisions)
@click.option("--reason", help="Why; kept in the audit log.")
def rollback(client: Client, *, sha: str, reason: str | None) -> int:
    """Activate an earlier revision, until the next sync."""
    with waiting("Rolling back"):
        report = client.post("/rollback", {"sha": sha, "reason": reason}, slow=True)
    return _tell(client, report)


def _tell(client: Client, report: dict[str, Any]) -> int:
    if client.json:
        show_json(report)
    elif report["success"]:
        show(report["message"])
        for mark, name in (("+", "added"), ("-", "removed"), ("~", "rescheduled")):
            for job_id in report[name]:
                show(f"  {mark} {job_id}")
    else:
        say(report["message"])
    if not client.json:
        for remark in report.get("remarks", ()):
            show(remark_line(remark))
    return 0 if report["success"] else 1
