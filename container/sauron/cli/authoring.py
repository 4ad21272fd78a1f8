"""Commands for authors of a bundle: check one, explain a cron expression."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from chalicelib.clock import iso
from chalicelib.model.instants import InstantError, read_instant

from .check_report import report, summary
from .client import Client, command
from .examples import examples
from .output import say, show, show_json, waiting

if TYPE_CHECKING:
    from chalicelib.model.jobs import JobSpec


def _in_quotes(_context: click.Context, _argument: click.Parameter, words: tuple[str, ...]) -> str:
    """Return the expression; refuse one that the shell has parted, and whose `*` it may have replaced."""
    if len(words) > 1:
        raise click.UsageError("EXPR is one argument: put it in quotes, as in sauron cron '0 8 * * 1-5'")
    return words[0]


@command(
    "cron",
    epilog=examples(
        'sauron cron "0 8 * * 1-5" --tz Europe/Berlin', "sauron cron @monthly --from 2027-01-01 -n 12"
    ),
)
@click.argument("expression", metavar="EXPR", nargs=-1, required=True, callback=_in_quotes)
@click.option("--tz", "zone", default="UTC", show_default=True, help="The IANA zone the schedule is in.")
@click.option(
    "--from",
    "start",
    metavar="TIME",
    help="Times after this ISO 8601 time (in --tz without a zone); default now.",
)
@click.option(
    "-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many times."
)
def cron(client: Client, *, expression: str, zone: str, start: str | None, count: int) -> None:
    """Explain a cron expression in words and times. Exit code 2 with the reason if it is refused."""
    from chalicelib.cron.describe import describe
    from chalicelib.cron.schedule import Schedule
    from chalicelib.cron.zone_advice import remark

    schedule = Schedule.parse(expression, zone)
    at = _start(start, zone)
    times = []
    for _ in range(count):
        try:
            at = schedule.after(at)
        except ValueError as error:  # schedules are not computed for every year
            raise click.UsageError(f"--from: {error}") from None
        times.append(at)
    words = describe(expression, zone)
    here = ZoneInfo(zone)
    warnings = ["; ".join(said) for said in [remark(zone, datetime.now(UTC))] if said]
    if client.json:
        local = [fire_at.astimezone(here).isoformat() for fire_at in times]
        known = {"expression": expression, "timezone": zone, "schedule_text": words, "warnings": warnings}
        show_json(
            {**known, "next_runs": [iso(fire_at) for fire_at in times], "local": local, "count": len(times)}
        )
        return
    show(words)
    for said in warnings:
        say(f"Note: {said}")
    for fire_at in times:
        show(
            f"  {fire_at.astimezone(here):%a %Y-%m-%d %H:%M %Z}"
            + ("" if zone == "UTC" else f"  ({iso(fire_at)})")
        )


def _start(text: str | None, zone: str) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return read_instant(text, ZoneInfo(zone))
    except InstantError as error:
        raise click.UsageError(f"--from {error}") from None


@command("check", epilog=examples("sauron check", "sauron check ops-jobs --target aws --json"))
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--target",
    type=click.Choice(["container", "aws"]),
    default="container",
    show_default=True,
    help="Where the bundle will run.",
)
def check(client: Client, *, folder: Path, target: str) -> int:
    """Check every job of the bundle in DIR, committed or not.

    Exit code 0 if every job loads, also with remarks; 1 if a job or the whole bundle is rejected.
    """
    client.local_only("check")
    with waiting("Loading the bundle"):
        jobs, faults, remarks = checked(folder.absolute(), target)
    if client.json:
        said = summary(jobs, faults, remarks)
        show_json({"ok": not faults, "summary": said, "jobs": jobs, "faults": faults, "remarks": remarks})
    else:
        report(folder, jobs, faults, remarks)
    return 1 if faults else 0


Records = list[dict[str, Any]]


def checked(top: Path, target: str) -> tuple[Records, Records, Records]:
    """Load a bundle's working tree; return the jobs that can run on `target`, the faults, and the remarks.

    The bundle is in `top` itself or, if there is no manifest, in its folder JOBS_GIT_SUBDIR.
    """
    from chalicelib.bundle import lambda_limits, working_tree
    from chalicelib.bundle.activation import Loaded, check_definitions
    from chalicelib.bundle.job_environment import JobEnvironment
    from chalicelib.settings import Settings
    from sauron_jobs_loader.checks import all_checks
    from sauron_jobs_loader.checks.tree import BundleTree
    from sauron_jobs_loader.environment import requirements
    from sauron_jobs_loader.errors import LoaderError
    from sauron_jobs_loader.launch.launcher import Launcher
    from sauron_jobs_loader.launch.process_tree_handle import with_programs
    from sauron_jobs_loader.launch.remarks import of_loading

    settings = Settings.load(Path.cwd())
    launcher, secrets = Launcher(), JobEnvironment(settings)
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # a check leaves nothing in the author's tree
    unmet: list[str] = []
    folder = top
    try:
        folder = working_tree.folder_of(top, settings)
        if target == lambda_limits.AWS and (declared := requirements.read(folder)):
            unmet = lambda_limits.unmet(declared.wanted, lambda_limits.shipped())
        python = working_tree.environments(environ=os.environ).python(folder)
        bundle = launcher.boot(working_tree.NAME, folder, environ, python=python)
    except LoaderError as error:
        on_tree = all_checks.remarks(BundleTree.working_copy(folder))
        return (
            [],
            [{"job_id": None, "place": None, "reason": reason} for reason in (str(error), *unmet)],
            [one.record() for one in on_tree],
        )
    finally:
        launcher.close()
    rejected = [{"job_id": one.job_id, "place": one.place, "reason": one.reason} for one in bundle.rejected]
    found = check_definitions(Loaded(bundle.jobs, rejected))
    faults = [dict(one) for one in found.rejected]
    jobs: Records = []
    for spec in found.specs.values():
        if target == lambda_limits.AWS and (
            reasons := lambda_limits.refusals(spec, unmet=unmet, in_bundle=lambda_limits.is_file_of(folder))
        ):
            faults.append({"job_id": spec.id, "place": spec.place, "reason": " ".join(reasons)})
            continue
        jobs.append(
            {
                "id": spec.id,
                "cron": spec.cron,
                "timezone": spec.timezone,
                "enabled": spec.enabled,
                "schedule_text": spec.schedule_text,
                "next_run_at": iso(spec.due_at(spec.schedule.after(datetime.now(UTC))))
                if spec.enabled and spec.cron
                else None,
                "entrypoint": spec.entrypoint,
                "place": spec.place,
                "missing_secrets": secrets.missing(spec),
            }
        )
    path = with_programs(environ, python)["PATH"]
    tree = BundleTree.working_copy(folder, bundle.jobs, bundle.files, path)
    remarks = [*of_loading(bundle), *all_checks.remarks(tree)]
    return (
        jobs,
        faults,
        [
            *(one.record() for one in remarks),
            *_of_zones(jobs),
            *_of_pools(found.specs.values(), settings.pools),
        ],
    )


def _of_pools(specs: Iterable[JobSpec], sizes: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the remarks on pools that have no size where this check runs."""
    from chalicelib.model import pools

    named = {spec.pool: spec.place for spec in specs if spec.pool}
    for pool, text in pools.unsized(named, sizes).items():
        file, _, line = named[pool].rpartition(":")
        cure = f"If more may, set SAURON_POOLS, such as {pool}:2."
        yield {"file": file, "line": int(line) if line.isdecimal() else None, "text": text, "cure": cure}


def _of_zones(jobs: Records) -> Iterator[dict[str, Any]]:
    """Yield the remarks on jobs whose time zone has a misleading name."""
    from chalicelib.cron.zone_advice import remark

    for job in jobs:
        if said := remark(job["timezone"], datetime.now(UTC)):
            file, _, line = job["place"].rpartition(":")
            text, cure = said
            yield {"file": file, "line": int(line) if line.isdecimal() else None, "text": text, "cure": cure}
