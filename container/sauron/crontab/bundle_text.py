"""The text of the manifest and the README of a bundle that a crontab becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .entries import Comment, CronJob, Entry, LeftOut
from .job_ids import job_id

_HEAD = '''"""The jobs of a crontab, as `sauron import crontab` wrote them: change them as you like."""

from sauron_jobs_loader import JobConfig, job_registry

# cron starts a command in the home folder, lets it run as long as it likes, and never tries it again.
# Choose a limit that fits each job, and more attempts where a second one does no harm.
IN_HOME = 'cd && exec "$0" -c "$1"'
AS_CRON = {"timeout_seconds": 86400, "max_attempts": 1}
'''
_WITH_INPUT = """
# What stands behind a % in a crontab is what the command reads from its input.
WITH_INPUT = 'cd && printf %s "$2" | "$0" -c "$1"'
"""
_README = """# Jobs from a crontab

`manifest.py` holds the jobs. Lines that could not become a job stand there as comments, with the reason.

    sauron check .                    is the manifest right?
    sauron run ID --direct --from .   run one job here and now

Commit it, set JOBS_GIT_REPO_URL to this repository, and remove the lines from the crontab: both would run.

- Output needs no `>> log 2>&1` any more: each run keeps what it printed.
- `flock` is not needed: while a run of a job is running, its next occurrence is skipped (`overlap`).
- What was missed while the machine was down runs once afterwards (`catchup`).
- A command that is more than a line is easier to read and to test as a Python function (`func`).
"""


class NamedJob(NamedTuple):
    """A job of the crontab with the id that it got."""

    id: str
    job: CronJob


def named(entries: Sequence[Entry]) -> list[NamedJob]:
    """Give each job of a crontab an id of its own."""
    found: dict[str, NamedJob] = {}
    for entry in entries:
        if isinstance(entry, CronJob):
            name = job_id(entry.text, found)
            found[name] = NamedJob(name, entry)
    return list(found.values())


def readme() -> str:
    """Return the text of the bundle's README."""
    return _README


def manifest(entries: Sequence[Entry]) -> str:
    """Return the manifest: the jobs in the crontab's order, with its comments and what was left out."""
    names = {id(one.job): one.id for one in named(entries)}
    parts = [_HEAD]
    if any(isinstance(entry, CronJob) and entry.stdin is not None for entry in entries):
        parts.append(_WITH_INPUT)
    constants: dict[tuple[tuple[str, str], ...], str] = {}
    commented = False
    for entry in entries:
        if isinstance(entry, Comment):
            parts.append(("" if commented else "\n") + _comment(entry.text))
        elif isinstance(entry, LeftOut):
            parts.append(f"\n{_comment(f'Not imported (line {entry.line}): {entry.reason}')}")
            parts.append(_comment(f"  {entry.text}"))
        else:
            if entry.variables and entry.variables not in constants:
                constants[entry.variables] = f"VARIABLES_{len(constants) + 1}" if constants else "VARIABLES"
                words = [f"{name}={value}" for name, value in entry.variables]
                parts.append(f"\n{constants[entry.variables]} = {_list(words)}\n")
            parts.append(_job(names[id(entry)], entry, constants.get(entry.variables)))
        commented = isinstance(entry, Comment)
    return "".join(parts)


def _job(name: str, job: CronJob, constant: str | None) -> str:
    notes = "".join(map(_comment, job.notes))
    zone = [] if job.timezone == "UTC" else [f"timezone={_text(job.timezone)}"]
    fields = [
        f"id={_text(name)}",
        f"cron={_text(job.cron)}",
        *zone,
        f"command={_command(job, constant)}",
        f"secrets={_list(job.secrets)}",
        *([f"description={_text(job.description)}"] if job.description else []),
        "**AS_CRON",
    ]
    written = "".join(f"        {field},\n" for field in fields)
    return f"\n{notes}job_registry.register(\n    JobConfig(\n{written}    )\n)\n"


def _command(job: CronJob, constant: str | None) -> str:
    words = [] if constant is None else ['"env"', f"*{constant}"]
    words += ['"/bin/sh"', '"-c"', "IN_HOME" if job.stdin is None else "WITH_INPUT"]
    words += [_text(job.shell), _text(job.text), *([] if job.stdin is None else [_text(job.stdin)])]
    return f"[{', '.join(words)}]"


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    """Return a text as Python writes it, in double quotes where these need no backslash."""
    written = repr(text)
    return f'"{written[1:-1]}"' if written.startswith("'") and '"' not in text else written


def _comment(text: str) -> str:
    """Return a text as a comment of one line: nothing in it ends the line or drives a terminal."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return f"# {shown}\n"
