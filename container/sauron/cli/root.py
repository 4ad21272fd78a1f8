"""The root command: the list of commands, and how an error becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from chalicelib import logs
from chalicelib.errors import ParamsError, SauronError, ScheduleError, SettingsError
from chalicelib.settings import load_environ, secret_texts
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.masking import credentials_in

from . import (
    alerts,
    audit_log,
    authoring,
    aws,
    bundle,
    completion,
    doctor,
    history,
    jobs,
    new,
    pausing,
    plan,
    process,
    restore,
    run,
    runners,
    simulate,
    status,
    top,
    why,
)
from .client import Client, ClientError, shared_options
from .output import say

DONE, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130

COMMANDS: tuple[click.Command, ...] = (
    jobs.list_jobs,
    run.run_job,
    jobs.upcoming,
    why.why,
    plan.plan,
    simulate.simulate,
    bundle.sync,
    status.version,
    status.status,
    top.top,
    history.runs,
    history.show_run,
    history.logs,
    history.cancel,
    history.retry,
    jobs.enable,
    jobs.disable,
    bundle.rollback,
    pausing.pause,
    pausing.unpause,
    runners.drain,
    runners.resume,
    status.audit,
    audit_log.audit_log,
    doctor.doctor,
    alerts.alerts,
    authoring.cron,
    new.init,
    new.import_,
    authoring.check,
    completion.completion,
    process.backup,
    restore.restore_store,
    process.migrate,
    process.serve,
    aws.aws,
)


class _InOrder(click.Group):
    """A group whose help lists the commands in the order of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [command.name or "" for command in COMMANDS]


def _root(commands: Sequence[click.Command]) -> click.Group:
    group = _InOrder(
        "sauron",
        help="One scheduler to rule them all: cron jobs from a git repository. Without --url the commands "
        "use the store that is set in the environment or in .env of this folder.",
        params=[*shared_options()],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
    )
    for command in commands:
        group.add_command(command)
    return group


def invoke(arguments: Sequence[str] | None = None, *, commands: Sequence[click.Command] = COMMANDS) -> int:
    """Run one command; return its exit code. Expected errors are one line on standard error."""
    # The response reports a failure; a log record of it would print it twice.
    level = "DEBUG" if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG" else "CRITICAL"
    logs.configure(level, secrets=_known_secrets())
    client = Client()
    try:
        code = _root(commands).main(
            args=None if arguments is None else list(arguments),
            prog_name="sauron",
            standalone_mode=False,
            obj=client,
        )
        sys.stdout.flush()
        return int(code or DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return WRONG_USE
    except BrokenPipeError:
        # The reader has closed the pipe. Without this Python fails again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.ClickException, click.Abort, KeyboardInterrupt, SauronError, LoaderError) as error:
        message, code = _message_and_code(error)
        if message:
            say(logs.masked(message))
        return code
    finally:
        client.close()


def _known_secrets() -> list[str]:
    """Return the secrets of the environment, of `.env` and of the command line's own variables."""
    try:
        environ = load_environ(Path.cwd())
    except (SauronError, OSError, ValueError):  # whoever needs a setting reports a file that cannot be read
        return []
    known = secret_texts(environ)
    known |= {environ.get("SAURON_TOKEN", ""), *credentials_in(environ.get("SAURON_URL", ""))}
    return sorted(known)


def _message_and_code(error: BaseException) -> tuple[str, int]:
    """Return the line and the exit code of an expected error."""
    if isinstance(error, click.UsageError):
        hint = f" `{error.ctx.command_path} --help` shows how." if error.ctx else ""
        message = error.format_message()
        return f"{message if message.endswith(('.', '?')) else f'{message}.'}{hint}", WRONG_USE
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "", INTERRUPTED
    wrong_use = isinstance(error, SettingsError | ScheduleError | ParamsError) or (
        isinstance(error, ClientError) and error.wrong_use
    )
    return str(error), WRONG_USE if wrong_use else FAILED
