"""Commands that say how Sauron stands: its version, its status, and whether the ledger is whole."""

from __future__ import annotations

from typing import Any

import click

from chalicelib import __version__

from .client import Client, command
from .output import facts, moment, say, show, show_json, table, zone


@command("version")
def version(asked: Client) -> None:
    """Print the version: of this program, or of the Sauron at --url."""
    known = asked.get("/health")["version"] if asked.remote else __version__
    if asked.json:
        show_json({"version": known})
    else:
        show(known)


@command("status")
def status(asked: Client) -> None:
    """Say how Sauron is: clock, queue, bundle, runners, and what is wrong."""
    found = asked.get("/status")
    if asked.json:
        show_json(found)
        return
    git, queue = found["git_sync_status"], found["queue"]
    ticked = moment(found["last_tick"]["at"])
    facts(
        [
            ("version", found["version"]),
            ("scheduler", "running" if found["scheduler_running"] else "not running"),
            ("last tick", ticked or "never"),
            (
                "queue",
                f"{queue['queued']} queued, {queue['running']} running"
                + ("" if queue["claiming"] else ", not claiming"),
            ),
            ("jobs", str(found["jobs_count"])),
            ("runners", "\n".join(_runner(one) for one in found["runners"]) or "none"),
            (
                "bundle",
                f"{git['repo_url']} (branch {git['branch']})"
                if git["repo_url"]
                else "none configured (JOBS_GIT_REPO_URL)",
            ),
            ("revision", (git["current_sha"] or "none yet")[:12]),
            ("pinned to", git.get("pinned_ref")),
            ("last sync", moment(git["last_sync"]) or "never"),
            ("sync error", _sync_error(git)),
            (
                "rejected",
                "\n".join(
                    f"{one.get('job_id')} ({one.get('place')}): {one.get('reason')}"
                    for one in found["rejected"]
                ),
            ),
            ("wrong", "\n".join(_wrong(found))),
            ("warnings", "\n".join(found.get("warnings", ()))),
        ]
    )
    if found["next_runs"]:
        show()
        rows = [[moment(one["next_run_at"]), one["job_id"], one["cron"]] for one in found["next_runs"][:5]]
        table([f"next ({zone()})", "job", "cron"], rows)


def _runner(one: dict[str, Any]) -> str:
    standing = f"{one['running']} running, seen {moment(one['seen_at'])}"
    if one.get("revision"):
        standing = f"revision {one['revision'][:12]}, {standing}"
    return f"{one['name']} ({standing}{', draining' if one.get('draining') else ''})"


def _wrong(found: dict[str, Any]) -> list[str]:
    """Say what `sauron alerts` and the page would, a line each."""
    told = found.get("alerts") or {}
    lines = [f"{one['subject']}: {one['kind']} since {moment(one['since'])}" for one in told.get("open", ())]
    if (more := told.get("open_count", 0) - len(lines)) > 0:
        lines.append(f"and {more} more: `sauron alerts`")
    if told.get("waiting"):
        lines.append(
            f"{told['waiting']} alerts wait to be delivered"
            + (f": {told['last_error']}" if told["last_error"] else "")
        )
    lines += [
        f"{one['job_id']}: required secrets are not set: {', '.join(one['missing'])}"
        for one in found.get("missing_secrets", ())
    ]
    copied = found.get("outbox") or {}
    if copied.get("last_error"):
        lines.append(f"Life Hub: {copied['waiting']} rows wait; {copied['last_error']}")
    return lines


def _sync_error(git: dict[str, Any]) -> str | None:
    if not git["last_error"]:
        return None
    times = git["consecutive_failures"]
    return f"{git['last_error']} ({times} times in a row)" if times > 1 else str(git["last_error"])


@command("audit")
@click.option("--job", "job_id", metavar="ID", help="Only this job.")
def audit(asked: Client, *, job_id: str | None) -> int:
    """Hold the ledger against the schedules that were in force; exit code 1 if an occurrence is unaccounted for."""
    found = asked.get("/audit", job_id=job_id)
    holes = found["holes"]
    if asked.json:
        show_json(found)
    elif holes:
        table(
            [f"occurrence ({zone()})", "job", "why"],
            [[moment(one["fire_at"]), one["job_id"], one["why"]] for one in holes],
        )
        say(f"{len(holes)} of {found['occurrences']} occurrences are not accounted for exactly once.")
    elif found["since"] is None:
        show("There is nothing to audit yet: no tick was made since there are jobs.")
    else:
        many = f"{found['occurrences']} occurrences of {found['jobs']} jobs"
        show(f"All {many} since {moment(found['since'])} are accounted for.")
    return 1 if holes else 0
