"""Commands about jobs: list them, show what runs next, enable and disable them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from chalicelib.clock import iso
from chalicelib.model.instants import InstantError, read_instant

from .client import Client, command, path
from .examples import examples
from .output import facts, moment, say, show, show_json, table, zone

_LENGTHS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType[datetime]):
    """An ISO 8601 time (local without a zone), or a duration from now such as 90m, 12h or 3d."""

    name = "TIME"

    def __init__(self, *, back: bool = False) -> None:
        """Count durations forward from now; with `back` into the past."""
        self._sign = -1 if back else 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse a value; click.UsageError if it is neither a time nor a duration."""
        if isinstance(value, datetime):
            return value
        try:
            if length := re.fullmatch(r"(\d{1,6})([smhdw])", value):
                return datetime.now(UTC) + self._sign * timedelta(**{_LENGTHS[length[2]]: int(length[1])})
            return read_instant(value, "local")
        except OverflowError:
            self.fail(f"{value!r} from now is outside the years 1 to 9999", param, ctx)
        except InstantError as error:
            self.fail(f"{error}, or a duration such as 90m or 3d", param, ctx)


@command("list", epilog=examples("sauron list --all", "sauron list --tag backup --json"))
@click.option("-a", "--all", "everything", is_flag=True, help="Include disabled jobs.")
@click.option("--tag", help="Only jobs with this tag.")
@click.option("--project", help="Only jobs of this project.")
def list_jobs(client: Client, *, everything: bool, tag: str | None, project: str | None) -> None:
    """List the jobs with their schedules."""
    query = {"enabled_only": None if everything else "true", "tag": tag, "project": project}
    found = client.ensure_synced().get("/jobs", **query)
    if client.json:
        show_json(found)
        return
    if not found["jobs"]:
        say("No job matches." + ("" if everything else " To include disabled jobs: `sauron list -a`."))
        return
    columns = ["job", "cron", "schedule", f"next run ({zone()})", "last run"]
    rows = [
        [job["id"], job["cron"], job["schedule_text"], moment(job["next_run_at"]), _last(job)]
        for job in found["jobs"]
    ]
    for name, texts in (
        ("tags", [", ".join(job["tags"]) for job in found["jobs"]]),
        ("project", [job["project"] for job in found["jobs"]]),
    ):
        if any(texts):
            columns.append(name)
            for row, text in zip(rows, texts, strict=True):
                row.append(text)
    if everything:
        columns.insert(1, "state")
        for row, job in zip(rows, found["jobs"], strict=True):
            row.insert(1, _state(job))
    table(columns, rows)


def _last(job: dict[str, Any]) -> str | None:
    last = job["last_run"]
    return f"{last['state']}, {moment(last['finished_at'] or last['started_at'])}" if last else None


def _state(job: dict[str, Any]) -> str:
    if job["rejected"]:
        return "rejected"
    state = "on" if job["enabled"] else "off"
    override = job["override"]
    return state if override is None else f"{state} by {override['by'] or 'an operator'}"


@command("next", epilog=examples("sauron next -n 20", "sauron next --json"))
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
def upcoming(client: Client, *, count: int) -> None:
    """List the next scheduled runs of all jobs."""
    found = client.ensure_synced().get("/next", count=count)
    if client.json:
        show_json(found)
        return
    if not found["next_runs"]:
        say("Nothing is scheduled. To include disabled jobs: `sauron list -a`.")
        return
    rows = [
        [moment(one["next_run_at"]), one["job_id"], f"{one['cron']} ({one['timezone']})"]
        for one in found["next_runs"]
    ]
    table([f"when ({zone()})", "job", "cron"], rows)


@command(
    "enable",
    epilog=examples(
        "sauron enable pg-backup", 'sauron enable pg-backup --until 3d --reason "the disk is replaced"'
    ),
)
@click.argument("job_id", metavar="ID")
@click.option(
    "--until", type=Instant(), help="Until when; then the bundle decides again. A time, or 90m, 12h, 3d."
)
@click.option("--reason", help="Why; shown with the job.")
def enable(client: Client, *, job_id: str, until: datetime | None, reason: str | None) -> None:
    """Enable a job, also if its bundle disables it."""
    _switch(client, "enable", job_id, until, reason)


@command(
    "disable",
    epilog=examples(
        "sauron disable pg-backup", 'sauron disable pg-backup --until 12h --reason "the server moves"'
    ),
)
@click.argument("job_id", metavar="ID")
@click.option(
    "--until", type=Instant(), help="Until when; then the bundle decides again. A time, or 90m, 12h, 3d."
)
@click.option("--reason", help="Why; shown with the job.")
def disable(client: Client, *, job_id: str, until: datetime | None, reason: str | None) -> None:
    """Disable a job, also if its bundle enables it. A running attempt goes on."""
    _switch(client, "disable", job_id, until, reason)


def _switch(client: Client, act: str, job_id: str, until: datetime | None, reason: str | None) -> None:
    body = {"reason": reason, "until": iso(until) if until else None}
    answer = client.ensure_synced().post(path("jobs", job_id, act), body)
    if client.json:
        show_json(answer)
        return
    override = answer.get("override") or {}
    show(f"{job_id} is {'on' if answer['enabled'] else 'off'}.")
    facts([("until", moment(override.get("until"))), ("reason", override.get("reason"))])
