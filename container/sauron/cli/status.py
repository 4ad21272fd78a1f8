"""Commands about Sauron itself: version, status, audit."""

from __future__ import annotations

from typing import Any

import click

from chalicelib import __version__
from chalicelib.text import counted, taken

from .client import Client, command
from .examples import examples
from .output import facts, moment, remark_line, say, show, show_json, table, zone


@command("version", epilog=examples("sauron version", "sauron version --url https://sauron.example.org"))
def version(client: Client) -> None:
    """Print the version of this program, or of the Sauron at --url."""
    known = client.get("/health")["version"] if client.remote else __version__
    if client.json:
        show_json({"version": known})
    else:
        show(known)


@command("status", epilog=examples("sauron status", "sauron status --url https://sauron.example.org --json"))
def status(client: Client) -> None:
    """Show clock, queue, bundle, runners, and what is wrong."""
    found = client.get("/status")
    if client.json:
        show_json(found)
        return
    git, queue = found["git_sync_status"], found["queue"]
    ticked = moment(found["last_tick"]["at"])
    facts(
        [
            ("version", found["version"]),
            ("scheduler", "running" if found["scheduler_running"] else "not running"),
            ("last tick", ticked or "never"),
            ("worked", _worked(found.get("last_worked"))),
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
            ("remarks", "\n".join(remark_line(one) for one in found.get("remarks", ()))),
            ("wrong", "\n".join(_wrong(found))),
            ("warnings", "\n".join(found.get("warnings", ()))),
        ]
    )
    if found["next_runs"]:
        show()
        rows = [[moment(one["next_run_at"]), one["job_id"], one["cron"]] for one in found["next_runs"][:5]]
        table([f"next ({zone()})", "job", "cron"], rows)


def _runner(one: dict[str, Any]) -> str:
    state = f"{one['running']} running, seen {moment(one['seen_at'])}"
    if one.get("revision"):
        state = f"revision {one['revision'][:12]}, {state}"
    return f"{one['name']} ({state}{', draining' if one.get('draining') else ''})"


def _worked(signs: dict[str, Any] | None) -> str | None:
    """Return how long ago tick, claim and write last worked; None where the process has no such threads."""
    if not signs:
        return None
    ages = {name: sign["age_seconds"] for name, sign in signs.items()}
    return ", ".join(
        f"{name} {'not yet' if age is None else f'{taken(age)} ago'}" for name, age in ages.items()
    )


def _wrong(found: dict[str, Any]) -> list[str]:
    """Return what is wrong, one line each: what does not work, incidents, alerts, secrets, Life Hub."""
    alerts = found.get("alerts") or {}
    lines = list(found.get("degraded", ()))
    lines += [
        f"{one['subject']}: {one['kind']} since {moment(one['since'])}" for one in alerts.get("open", ())
    ]
    if (more := alerts.get("open_count", 0) - len(alerts.get("open", ()))) > 0:
        lines.append(f"and {more} more: `sauron alerts`")
    if alerts.get("waiting"):
        lines.append(
            f"not delivered yet: {counted(alerts['waiting'], 'alert')}"
            + (f"; the last try failed: {alerts['last_error']}" if alerts["last_error"] else "")
        )
    lines += [
        f"{one['job_id']}: required secrets are not set: {', '.join(one['missing'])}"
        for one in found.get("missing_secrets", ())
    ]
    outbox = found.get("outbox") or {}
    if outbox.get("last_error"):
        lines.append(
            f"not copied to Life Hub yet: {counted(outbox['waiting'], 'row')}; {outbox['last_error']}"
        )
    return lines


def _sync_error(git: dict[str, Any]) -> str | None:
    if not git["last_error"]:
        return None
    times = git["consecutive_failures"]
    return f"{git['last_error']} ({times} times in a row)" if times > 1 else str(git["last_error"])


@command("audit", epilog=examples("sauron audit", "sauron audit --job pg-backup --json"))
@click.option("--job", "job_id", metavar="ID", help="Only this job.")
def audit(client: Client, *, job_id: str | None) -> int:
    """Check that every occurrence is accounted for exactly once. Exit code 1 if one is not."""
    found = client.get("/audit", job_id=job_id)
    holes = found["holes"]
    if client.json:
        show_json(found)
    elif holes:
        table(
            [f"occurrence ({zone()})", "job", "reason"],
            [[moment(one["fire_at"]), one["job_id"], one["why"]] for one in holes],
        )
        say(f"{len(holes)} of {found['occurrences']} occurrences are not accounted for exactly once.")
    elif found["since"] is None:
        show("There is nothing to audit yet: no tick has seen a job.")
    else:
        many = f"{found['occurrences']} occurrences of {found['jobs']} jobs"
        show(f"All {many} since {moment(found['since'])} are accounted for.")
    return 1 if holes else 0
