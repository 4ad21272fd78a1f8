"""Commands about jobs: which there are, when they run next, and switching them on and off."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from chalicelib.clock import iso

from .client import Client, command, path
from .output import facts, moment, say, show, show_json, table, zone

_LENGTHS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType[datetime]):
    """An ISO 8601 time (local without a zone), or a length such as 90m, 12h or 3d: from now on, or back from now."""

    name = "TIME"

    def __init__(self, *, back: bool = False) -> None:
        """Read lengths forward from now, or backward."""
        self._sign = -1 if back else 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read what was typed."""
        if isinstance(value, datetime):
            return value
        if length := re.fullmatch(r"(\d{1,6})([smhdw])", value):
            return datetime.now(UTC) + self._sign * timedelta(**{_LENGTHS[length[2]]: int(length[1])})
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time. Write 2026-01-31T08:00, or a length such as 90m, 12h or 3d",
                param,
                ctx,
            )
        return instant.astimezone(UTC)


@command("list")
@click.option("-a", "--all", "everything", is_flag=True, help="Disabled jobs too.")
@click.option("--tag", help="Only jobs with this tag.")
@click.option("--project", help="Only jobs of this project.")
def list_jobs(asked: Client, *, everything: bool, tag: str | None, project: str | None) -> None:
    """List the jobs, with their schedules in words."""
    query = {"enabled_only": None if everything else "true", "tag": tag, "project": project}
    found = asked.synced().get("/jobs", **query)
    if asked.json:
        show_json(found)
        return
    if not found["jobs"]:
        say(
            "There are no jobs to list."
            + ("" if everything else " `sauron list -a` lists disabled ones too.")
        )
        return
    columns = ["job", "schedule", f"next run ({zone()})", "last run"]
    rows = [
        [job["id"], job["schedule_text"], moment(job["next_run_at"]), _last(job)] for job in found["jobs"]
    ]
    if everything:
        columns.insert(1, "state")
        for row, job in zip(rows, found["jobs"], strict=True):
            row.insert(1, _standing(job))
    table(columns, rows)


def _last(job: dict[str, Any]) -> str | None:
    last = job["last_run"]
    return f"{last['state']}, {moment(last['finished_at'] or last['started_at'])}" if last else None


def _standing(job: dict[str, Any]) -> str:
    if job["rejected"]:
        return "rejected"
    state = "on" if job["enabled"] else "off"
    override = job["override"]
    return state if override is None else f"{state} by {override['by'] or 'an operator'}"


@command("next")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
def upcoming(asked: Client, *, count: int) -> None:
    """List what runs next, over all jobs."""
    found = asked.synced().get("/next", count=count)
    if asked.json:
        show_json(found)
        return
    if not found["next_runs"]:
        say("Nothing is scheduled. `sauron list -a` shows the jobs that are off.")
        return
    rows = [
        [moment(one["next_run_at"]), one["job_id"], f"{one['cron']} ({one['timezone']})"]
        for one in found["next_runs"]
    ]
    table([f"when ({zone()})", "job", "cron"], rows)


@command("enable")
@click.argument("job_id", metavar="ID")
@click.option(
    "--until", type=Instant(), help="Let the bundle decide again from then on: a time, or 90m, 12h, 3d."
)
@click.option("--reason", help="Why; shown with the job.")
def enable(asked: Client, *, job_id: str, until: datetime | None, reason: str | None) -> None:
    """Turn a job on, whatever its bundle says."""
    _switch(asked, "enable", job_id, until, reason)


@command("disable")
@click.argument("job_id", metavar="ID")
@click.option("--until", type=Instant(), help="Turn it on again by itself: a time, or 90m, 12h, 3d.")
@click.option("--reason", help="Why; shown with the job.")
def disable(asked: Client, *, job_id: str, until: datetime | None, reason: str | None) -> None:
    """Turn a job off, whatever its bundle says. A run under way is not ended."""
    _switch(asked, "disable", job_id, until, reason)


def _switch(asked: Client, act: str, job_id: str, until: datetime | None, reason: str | None) -> None:
    body = {"reason": reason, "until": iso(until) if until else None}
    answer = asked.synced().post(path("jobs", job_id, act), body)
    if asked.json:
        show_json(answer)
        return
    override = answer.get("override") or {}
    show(f"{job_id} is {'on' if answer['enabled'] else 'off'}.")
    facts([("until", moment(override.get("until"))), ("reason", override.get("reason"))])
