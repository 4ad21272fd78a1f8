"""The command `restore`: put a copy in the place of an SQLite store, and say what it holds and will do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.clock import SystemClock, iso
from chalicelib.errors import StoreError
from chalicelib.model.runs import Run, RunState
from chalicelib.settings import Settings, load_environ

from .client import Client, command, sqlite_path
from .examples import examples
from .output import facts, moment, show, show_json, waiting

if TYPE_CHECKING:
    from chalicelib.maintenance.restore import Holdings, Restored
    from chalicelib.model.jobs import Job

SHOWN = 20  # lines of a list; --json has all


@command(
    "restore",
    epilog=examples("sauron restore /srv/backup/sauron.sqlite3", "sauron restore copy.sqlite3 --json"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def restore_store(client: Client, *, file: Path) -> None:
    """Put FILE, a copy by `backup`, in place of the SQLite store. Sauron must be stopped.

    FILE is checked first. The store of before is kept beside, under a dated name. What the copy holds and
    what happens when Sauron starts is printed; start with JOB_QUEUE_ENABLED=0 to look first.
    """
    client.local_only("restore")
    from chalicelib.maintenance.restore import restore
    from chalicelib.wakeup.peers import Peers, runners_folder

    store = sqlite_path(Settings.read(load_environ(Path.cwd())).store_url)
    if store is None:
        raise StoreError(
            "A PostgreSQL store is restored by pg_restore, not by Sauron. To restore an SQLite store, name "
            "it in JOB_QUEUE_DB_URL."
        )
    if not file.exists():
        raise click.UsageError(f"There is no file {file}. Name a copy: a file that `sauron backup` wrote.")
    with waiting("Checking and copying the file"):
        done = restore(store, file, SystemClock(), runners=Peers(runners_folder(store)).alive())
    if client.json:
        show_json(_record(done))
    else:
        _print(done)


def _again(run: Run) -> bool:
    """Say whether a run that was running is tried again after its rescue."""
    return run.attempt < run.max_attempts


def _record(done: Restored) -> dict[str, Any]:
    holds = done.holds
    return {
        "store": str(done.store),
        "file": str(done.file.absolute()),
        "set_aside": done.aside and str(done.aside),
        "holds": {
            "schema": holds.schema,
            "jobs": holds.jobs,
            "runs": holds.counts,
            "newest_run": holds.newest and _run(holds.newest),
            "last_tick": holds.last_tick and iso(holds.last_tick),
            "active_sha": holds.active_sha,
            "subject": holds.revision and holds.revision.subject,
            "switches": [_switch(job) for job in holds.switched],
        },
        "at_start": {
            "run_again": [_run(run) for run in holds.running if _again(run)],
            "interrupted": [_run(run) for run in holds.running if not _again(run)],
            "queued": holds.counts.get(RunState.QUEUED, 0),
            "caught_up": [
                {"job_id": job, "runs": count}
                for job, state, count in holds.foreseen
                if state == RunState.QUEUED
            ],
            "missed": [
                {"job_id": job, "occurrences": count}
                for job, state, count in holds.foreseen
                if state != RunState.QUEUED
            ],
        },
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "job_id": run.job_id,
        "state": run.state,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "due_at": iso(run.due_at),
    }


def _switch(job: Job) -> dict[str, Any]:
    override = job.override
    if override is None:
        return {"job_id": job.id}
    return {
        "job_id": job.id,
        "enabled": override.enabled,
        "by": override.by,
        "reason": override.reason,
        "until": override.until and iso(override.until),
    }


def _print(done: Restored) -> None:
    show(f"{done.store} is now the copy {done.file}.")
    if done.aside:
        show(f"The store of before is kept as {done.aside}.")
    _print_holdings(done.holds)
    _print_start(done.holds)
    show()
    show("The copy knows nothing of what was done since it was made: that may be done a second time.")
    show("Look first: start with JOB_QUEUE_ENABLED=0, so that no run starts. See `sauron status` and the")
    show("page, cancel runs that must not start (`sauron cancel RUN`), then start without it.")


def _print_holdings(holds: Holdings) -> None:
    show()
    show("It holds")
    run, subject = holds.newest, holds.revision.subject if holds.revision else None
    newest = f"{run.id}  {run.job_id}, {run.state}, due {_at(run.due_at)}" if run else None
    facts(
        [
            ("  newest run", newest),
            ("  last tick", _at(holds.last_tick) if holds.last_tick else None),
            ("  revision", " ".join(filter(None, [(holds.active_sha or "none")[:12], subject]))),
            ("  jobs", str(holds.jobs)),
            ("  switches", _lines([_switched(job) for job in holds.switched]) or "none"),
        ]
    )


def _print_start(holds: Holdings) -> None:
    again = [
        f"{run.id}  {run.job_id}, attempt {run.attempt + 1} of {run.max_attempts}"
        for run in holds.running
        if _again(run)
    ]
    over = [f"{run.id}  {run.job_id}, no attempt is left" for run in holds.running if not _again(run)]
    queued = holds.counts.get(RunState.QUEUED, 0)
    caught_up = [f"{job}: {count}" for job, state, count in holds.foreseen if state == RunState.QUEUED]
    missed = [f"{job}: {count}" for job, state, count in holds.foreseen if state != RunState.QUEUED]
    show()
    show("When Sauron starts")
    facts(
        [
            ("  runs again", _lines(again) or "nothing: no run was running when the copy was made"),
            ("  is interrupted", _lines(over)),
            ("  waits in the queue", f"{queued} runs; those that are due start" if queued else None),
            ("  is caught up", _lines(caught_up) or "nothing"),
            ("  becomes missed", _lines(missed)),
        ]
    )


def _switched(job: Job) -> str:
    override = job.override
    if override is None:
        return job.id
    words = [f"{job.id}: {'enabled' if override.enabled else 'disabled'}"]
    words += [f"by {override.by}"] if override.by else []
    words += [f"until {_at(override.until)}"] if override.until else []
    words += [f"({override.reason})"] if override.reason else []
    return " ".join(words)


def _lines(lines: list[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more: --json lists all"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


def _at(instant: Any) -> str:
    return moment(iso(instant)) or ""
