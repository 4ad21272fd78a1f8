"""Commands that make a bundle: from a template, and from a crontab."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.errors import SauronError
from chalicelib.text import counted
from sauron.typed_command import typed_command

from .client import Client, command, shared_options
from .examples import examples
from .output import facts, say, show, show_json, table, waiting

if TYPE_CHECKING:
    from sauron.crontab.bundle_text import NamedJob
    from sauron.crontab.entries import LeftOut

TEMPLATES = ("backup", "healthcheck", "etl", "empty")
STDIN = "-"
MOST_BYTES = 1 << 20  # of a crontab


@command("init", epilog=examples("sauron init ops-jobs", "sauron init ops-jobs --template backup"))
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    help="What the bundle begins with, instead of a tour of examples.",
)
def init(client: Client, *, folder: Path, template: str | None) -> None:
    """Create a bundle in DIR. It is a git repository with a first commit."""
    client.local_only("init")
    from sauron import new_bundle

    new_bundle.require_new(folder)
    with waiting("Writing the bundle"):
        new_bundle.from_template(folder, template or new_bundle.EXAMPLE)
    files = new_bundle.files_of(folder)
    where = folder.absolute()
    if client.json:
        show_json({"folder": str(where), "files": files, "template": template})
        return
    show(f"Created a bundle in {where}:")
    for file in files:
        show(f"  {file}")
    show("")
    _next_steps(where)


@click.group(
    "import",
    epilog=examples(
        "sauron import crontab /etc/crontab ops-jobs",
        "sauron import crontab shop.cron ops-jobs --json",
    ),
)
def import_() -> None:
    """Make a bundle of what another scheduler runs."""


import_.params.extend(shared_options())


@command(
    "crontab",
    epilog=examples(
        "crontab -l | sauron import crontab - ops-jobs",
        "sauron import crontab /etc/crontab ops-jobs",
        "sauron import crontab shop.cron ops-jobs --system",
    ),
)
@click.argument("file", metavar="FILE|-")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--system", is_flag=True, help="The lines have a column with a user. It is mostly recognised without."
)
def crontab(client: Client, *, file: str, folder: Path, system: bool) -> None:
    """Write a bundle in DIR with the jobs of a crontab. FILE is left as it is.

    A line that has no equal in Sauron, such as @reboot, becomes a comment with the reason. The exit code is 1
    if no line became a job.
    """
    client.local_only("import")
    from sauron import new_bundle
    from sauron.crontab import bundle_text, reading
    from sauron.crontab.entries import LeftOut

    new_bundle.require_new(folder)
    place = None if file == STDIN else Path(file).absolute()
    entries = reading.read(_content(place), file=place, system=system)
    jobs = bundle_text.named(entries)
    left_out = [entry for entry in entries if isinstance(entry, LeftOut)]
    shown = "standard input" if place is None else str(place)
    if not jobs and not left_out:
        raise SauronError(f"{shown} holds no line that runs a command, so there is no job to write.")
    with waiting("Writing the bundle"):
        texts = {"manifest.py": bundle_text.manifest(entries), "README.md": bundle_text.readme()}
        new_bundle.from_texts(folder, texts, "Begin with the jobs of a crontab")
    where = folder.absolute()
    if client.json:
        show_json(
            {
                "folder": str(where),
                "files": new_bundle.files_of(folder),
                "jobs": [_record(one) for one in jobs],
                "left_out": [_left_out(one) for one in left_out],
                "count": len(jobs),
            }
        )
    else:
        _report(jobs, left_out, shown, where)
    if not jobs:
        raise click.exceptions.Exit(1)


import_.add_command(crontab)


def _content(file: Path | None) -> bytes:
    try:
        with nullcontext(sys.stdin.buffer) if file is None else file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise click.UsageError(f"{file} is not a file. Name a crontab, or - for standard input") from None
    except OSError as error:
        raise SauronError(f"{file or 'Standard input'} cannot be read: {error.strerror or error}.") from None
    if len(content) > MOST_BYTES:
        raise click.UsageError(f"{file or 'Standard input'} is larger than 1 MiB. Name a crontab")
    return content


def _record(one: NamedJob) -> dict[str, Any]:
    job = one.job
    return {
        "id": one.id,
        "line": job.line,
        "cron": job.cron,
        "timezone": job.timezone,
        "command": job.text,
        "stdin": job.stdin,
        "user": job.user,
        "secrets": list(job.secrets),
        "description": job.description,
        "notes": list(job.notes),
    }


def _left_out(one: LeftOut) -> dict[str, Any]:
    return {"line": one.line, "text": one.text, "reason": one.reason}


def _report(jobs: Sequence[NamedJob], left_out: Sequence[LeftOut], shown: str, where: Path) -> None:
    show(f"Wrote {counted(len(jobs), 'job')} of {shown} to {where}.")
    if jobs:
        show()
        rows = [[one.id, one.job.cron, one.job.timezone, one.job.text] for one in jobs]
        table(["job", "cron", "zone", "command"], rows)
    if left_out:
        show()
        show("Not imported; manifest.py has these lines as comments:")
        for line in left_out:
            show(f"  line {line.line}: {line.reason}")
    for note in dict.fromkeys(note for one in jobs for note in one.job.notes):
        say(f"{', '.join(one.id for one in jobs if note in one.job.notes)}: {note}")
    if secrets := sorted({name for one in jobs for name in one.job.secrets}):
        say(f"Set {', '.join(secrets)} where Sauron runs: values of secrets are not written.")
    if any(one.job.timezone == "UTC" for one in jobs):
        say("Schedules without CRON_TZ or TZ are in UTC now. cron read them in the zone of its machine.")
    show()
    _next_steps(where)


def _next_steps(where: Path) -> None:
    sauron, folder = typed_command(), shlex.quote(str(where))
    facts(
        [
            ("start it", f"JOBS_GIT_REPO_URL={folder} {sauron} serve"),
            ("change it", f"edit, commit, then: {sauron} check {folder} && {sauron} sync"),
        ]
    )
