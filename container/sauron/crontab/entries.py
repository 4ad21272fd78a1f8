"""What a crontab holds, in the order of its lines: jobs, lines that have no equal, and comments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CronJob:
    """A line that becomes a job.

    `text` is the command as the shell reads it and `stdin` what it reads from its input, None without one.
    `variables` are the environment lines in force, without those that look like secrets, whose names are in
    `secrets`. `user` is the user column, `notes` say what is otherwise than under cron.
    """

    line: int
    cron: str
    timezone: str
    text: str
    stdin: str | None = None
    shell: str = "/bin/sh"
    variables: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    user: str | None = None
    description: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that becomes no job, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, without its mark."""

    text: str


Entry = CronJob | LeftOut | Comment
