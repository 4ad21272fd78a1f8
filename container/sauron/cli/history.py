"""Commands about runs: list them, show one, its log; cancel or retry one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from chalicelib.clock import iso
from chalicelib.model.runs import RunState

from .client import Client, command, path
from .completion import job_ids, run_ids
from .examples import examples
from .follow import follow
from .job_output import RAW_HELP, JobOutput
from .jobs import Instant
from .output import facts, moment, say, show, show_json, table, took, zone

SHOWN = 20  # runs per page without --limit


@command(
    "runs",
    epilog=examples(
        "sauron runs --job pg-backup --since 7d", "sauron runs --state failed --state timed_out --limit 5"
    ),
)
@click.option("--job", "job_id", metavar="ID", shell_complete=job_ids, help="Only runs of this job.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in RunState]),
    help="Only runs in this state. May be repeated.",
)
@click.option(
    "--since", type=Instant(back=True), help="Only runs due since then. A time, or 90m, 12h, 3d ago."
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=SHOWN, show_default=True, help="How many runs."
)
@click.option("--after", metavar="RUN", shell_complete=run_ids, help="Continue the list after this run.")
def runs(
    client: Client,
    *,
    job_id: str | None,
    states: Sequence[str],
    since: datetime | None,
    limit: int,
    after: str | None,
) -> None:
    """List runs, newest first."""
    query = {"job_id": job_id, "state": ",".join(states) or None, "since": iso(since) if since else None}
    found = client.get("/runs", limit=limit, after=after, **query)
    if client.json:
        show_json(found)
        return
    if not found["runs"]:
        say("No run matches.")
        return
    table(
        ["run", "job", "state", f"due ({zone()})", "took", "why"],
        [
            [run["id"], run["job_id"], run["state"], moment(run["due_at"]), _took(run), _why(run)]
            for run in found["runs"]
        ],
    )
    if found["next_after"]:
        same = [f"--job {job_id}"] if job_id else []
        same += [f"--state {state}" for state in states] + ([f"--limit {limit}"] if limit != SHOWN else [])
        say(" ".join(["Older ones: sauron runs", *same, f"--after {found['next_after']}"]))


def _took(run: dict[str, Any]) -> str | None:
    return took(run["started_at"], run["finished_at"])


def _why(run: dict[str, Any]) -> str:
    said = (
        run["error"]
        or run["reason"]
        or (f"by {run['requested_by']}" if run["requested_by"] else run["origin"])
    )
    first = str(said).splitlines()[0] if said else ""
    tries = f" (attempt {run['attempt']} of {run['max_attempts']})" if run["attempt"] > 1 else ""
    return f"{first}{tries}"


@command("show", epilog=examples("sauron show 0197a3f2", "sauron show 0197a3f2-6c1d --json"))
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
def show_run(client: Client, *, run_id: str) -> None:
    """Show one run with its attempts."""
    run = client.get(path("runs", run_id))
    if client.json:
        show_json(run)
        return
    gap = run.get("gap")
    facts(
        [
            ("run", run["id"]),
            ("job", run["job_id"]),
            ("state", run["state"]),
            ("origin", f"{run['origin']}" + (f", by {run['requested_by']}" if run["requested_by"] else "")),
            ("reason", run["reason"]),
            ("scheduled for", moment(run["scheduled_for"])),
            ("stands for", f"{gap['count']} occurrences from {moment(gap['from'])}" if gap else None),
            ("due", moment(run["due_at"])),
            ("started", moment(run["started_at"])),
            ("finished", moment(run["finished_at"])),
            ("took", _took(run)),
            ("revision", (run["revision"] or "")[:12]),
            ("params", json.dumps(run["params"]) if run["params"] else None),
            ("progress", _progress(run)),
            ("error", run["error"]),
            ("result", None if run["result"] is None else json.dumps(run["result"], ensure_ascii=False)),
        ]
    )
    if run["attempts"]:
        show()
        table(
            ["attempt", "outcome", f"started ({zone()})", "took", "memory", "error"],
            [
                [
                    f"{one['number']} of {run['max_attempts']}",
                    one["outcome"] or "running",
                    moment(one["started_at"]),
                    took(one["started_at"], one["finished_at"]),
                    f"{one['max_rss_kb'] // 1024} MB" if one["max_rss_kb"] else None,
                    one["error"],
                ]
                for one in run["attempts"]
            ],
        )


def _progress(run: dict[str, Any]) -> str | None:
    if run["progress"] is None or run["finished_at"]:
        return None
    return f"{run['progress']:.0%} {run['progress_note'] or ''}".rstrip()


@command("logs", epilog=examples("sauron logs 0197a3f2", "sauron logs 0197a3f2 --follow"))
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@click.option("-f", "--follow", "following", is_flag=True, help="Print new output until the run is over.")
@click.option("--raw", is_flag=True, help=RAW_HELP)
def logs(client: Client, *, run_id: str, following: bool, raw: bool) -> None:
    """Print the log of a run."""
    if client.json:
        if raw:
            raise click.UsageError("--json holds the whole log, control sequences too; leave --raw out")
        if following:
            raise click.UsageError("--follow prints text as it arrives; leave --json out")
        run_id = client.get(path("runs", run_id))["id"]  # it may have been given by its first letters
        show_json({"run_id": run_id, **_whole(client, run_id)})
        return
    if following:
        end = follow(client, run_id, raw=raw)
        say(f"Run {end['id']} {end['state']}.")
        return
    output = JobOutput(sys.stdout, raw=raw)
    output.write(_whole(client, run_id)["log"])
    output.end()


def _whole(client: Client, run_id: str) -> dict[str, str]:
    parts = [client.log(run_id, "0")]
    while parts[-1].more:
        parts.append(client.log(run_id, parts[-1].after))
    return {"state": parts[-1].state, "log": "".join(part.text for part in parts)}


@command("cancel", epilog=examples("sauron cancel 0197a3f2", "sauron cancel 0197a3f2 --reason mistake"))
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@click.option("--reason", help="Why; kept in the audit log.")
def cancel(client: Client, *, run_id: str, reason: str | None) -> None:
    """Cancel a run. If it is running, all its processes are ended."""
    answer = client.post(path("runs", run_id, "cancel"), {"reason": reason})
    if client.json:
        show_json(answer)
    elif answer["state"] == RunState.CANCELLED:
        show(f"Run {answer['run_id']} is cancelled.")
    else:
        show(f"Run {answer['run_id']} is being ended. To see its state: sauron show {answer['run_id']}")


@command("retry", epilog=examples("sauron retry 0197a3f2", "sauron retry 0197a3f2 --reason mistake"))
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@click.option(
    "--force",
    is_flag=True,
    help="Start also while another run of this job is running, or everything is paused.",
)
@click.option("--reason", help="Why; kept in the audit log.")
def retry(client: Client, *, run_id: str, force: bool, reason: str | None) -> None:
    """Queue a new run with the job and params of a finished one."""
    answer = client.post(path("runs", run_id, "retry"), {"force": force or None, "reason": reason})
    if client.json:
        show_json(answer)
    else:
        show(f"Run {answer['run_id']} is queued.")
