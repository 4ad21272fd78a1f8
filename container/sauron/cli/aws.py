"""`sauron aws up`, `check` and `down`: create or change, try, or remove a stage in an AWS account.

`up` and `down` print a plan and ask before they apply it. Both may be interrupted and run again. Values of
secrets are never shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.errors import SauronError, SettingsError
from chalicelib.settings import SETTINGS, load_environ
from chalicelib.sources.environment import overlay
from chalicelib.sources.files import env_file
from chalicelib.text import cell
from sauron_jobs_loader import job_umask

from .client import Client, command, shared_options
from .examples import examples
from .output import say, show, show_json, table, waiting

if TYPE_CHECKING:
    from sauron.aws.check import Line
    from sauron.aws.plan import Plan, Step

ASKING = "Asking the functions to check themselves"
STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")


@click.group("aws", epilog=examples("sauron aws up --dry-run", "sauron aws down --stage test"))
def aws() -> None:
    """Run Sauron on AWS Lambda."""
    job_umask.as_before()  # Lambda reads the package as another user


aws.params.extend(shared_options())


def _stage(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not STAGE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not a valid stage name. Use lower-case letters, digits and dashes, such as prod"
        )
    return value


@command(
    "up",
    epilog=examples(
        "sauron aws up --dry-run", "sauron aws up --stage test --secret CRM_TOKEN --concurrency 5"
    ),
)
@click.option("--stage", default="prod", show_default=True, callback=_stage, help="Which deployment.")
@click.option("--dry-run", is_flag=True, help="Print the plan; change nothing.")
@click.option("--yes", is_flag=True, help="Apply the plan without asking.")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings and secrets of jobs, instead of .env.",
)
@click.option(
    "--secret",
    "job_secrets",
    multiple=True,
    metavar="NAME",
    help="A secret of jobs; its value is read from the environment. May be repeated.",
)
@click.option("--forget", multiple=True, metavar="NAME", help="Delete this secret from AWS. May be repeated.")
@click.option(
    "--concurrency",
    type=click.IntRange(2, 1000),
    help="The most runs at a time. Kept until it is changed.",
)
@click.option("--alarm-email", metavar="ADDRESS", help="Send a mail here when Sauron's clock stops.")
@click.option("--again", is_flag=True, help="Deploy even if nothing changed.")
def up(
    client: Client,
    *,
    stage: str,
    dry_run: bool,
    yes: bool,
    env_file: Path | None,
    job_secrets: Sequence[str],
    forget: Sequence[str],
    concurrency: int | None,
    alarm_email: str | None,
    again: bool,
) -> int:
    """Create or update a stage in AWS. It gets the settings and the code of this checkout."""
    client.local_only("aws up")
    from sauron.aws import desired
    from sauron.aws.check import check_functions
    from sauron.aws.names import Names
    from sauron.aws.up import Request, address, check, plan_up

    names = Names(stage)
    environ, written = _environ(env_file)
    _export_aws_variables(environ)
    faults: tuple[str, ...] = ()
    want = None
    try:
        want = desired.read(environ, job_secrets=job_secrets, written=written)
    except SettingsError as error:
        faults = error.faults
    account, root = check(names, faults)
    assert want is not None  # noqa: S101 - its failure is among the faults
    if both := sorted(set(forget) & want.secrets.keys()):
        raise click.BadParameter(
            f"{', '.join(both)} is still set here; remove it from the settings first", param_hint="--forget"
        )
    if alarm_email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+", alarm_email):
        raise click.BadParameter(
            f"{alarm_email!r} is not an email address; write for example ops@example.org",
            param_hint="--alarm-email",
        )
    with waiting("Comparing with what AWS has"):
        plan = plan_up(account, root, names, want, Request(concurrency, alarm_email, forget, again))
    done = _confirm_and_apply(client, plan, dry_run=dry_run, yes=yes)
    url = address(account, names) if done or not plan.due else None
    if client.json:
        show_json(_as_json(plan, done=done) | {"url": url})
        return 0
    if url:
        show(f"Sauron is at {url}")
        show("")
        if done:
            with waiting(ASKING):
                lines = check_functions(account, names)
            _show_checks(lines)
            show("")
        show("The first tick comes within two minutes. Then try it, with a token of SAURON_API_TOKENS:")
        show(f"  sauron aws check --stage {stage}")
        show(f"  curl {url}health")
        show(f"  sauron --url {url} --token TOKEN status")
        show(f"  sauron --url {url} --token TOKEN sync")
    return 0


@command("down", epilog=examples("sauron aws down --dry-run", "sauron aws down --stage test --yes"))
@click.option("--stage", default="prod", show_default=True, callback=_stage, help="Which deployment.")
@click.option("--dry-run", is_flag=True, help="Print the plan; change nothing.")
@click.option("--yes", is_flag=True, help="Apply the plan without asking.")
def down(client: Client, *, stage: str, dry_run: bool, yes: bool) -> int:
    """Remove a stage from AWS: everything but the database."""
    client.local_only("aws down")
    from sauron.aws.down import DATABASE_STAYS, plan_down
    from sauron.aws.names import Names
    from sauron.aws.up import check

    names = Names(stage)
    _export_aws_variables(_environ(None)[0])
    account, root = check(names)
    with waiting("Comparing with what AWS has"):
        plan = plan_down(account, root, names)
    if not plan.steps:
        say(f"There is nothing of stage {stage} in account {plan.account}, {plan.region}.")
    done = _confirm_and_apply(client, plan, dry_run=dry_run, yes=yes)
    if client.json:
        show_json(_as_json(plan, done=done))
    elif done:
        show(f"Stage {stage} is removed. {DATABASE_STAYS}")
    return 0


@command("check", epilog=examples("sauron aws check", "sauron aws check --stage test --json"))
@click.option("--stage", default="prod", show_default=True, callback=_stage, help="Which deployment.")
def check(client: Client, *, stage: str) -> int:
    """Have the deployed functions check themselves.

    Each tries what it needs from inside: processes, disk, store, secrets, queue, mail. Exit code 1 if one of
    them finds something wrong.
    """
    client.local_only("aws check")
    from sauron.aws import cloud
    from sauron.aws.check import check_functions
    from sauron.aws.names import Names

    _export_aws_variables(_environ(None)[0])
    account = cloud.connect()
    with waiting(ASKING):
        lines = check_functions(account, Names(stage))
    if client.json:
        show_json([asdict(line) for line in lines])
    else:
        _show_checks(lines)
    return 0 if all(line.ok for line in lines) else 1


def _show_checks(lines: Sequence[Line]) -> None:
    table(
        ["function", "check", "", "found"],
        [[line.function, line.check, "ok" if line.ok else "WRONG", line.found] for line in lines],
    )
    for line in lines:
        if not line.ok:
            say(f"{line.function}, {line.check}: {line.fix}.")


for one in (up, down, check):
    aws.add_command(one)


def _environ(file: Path | None) -> tuple[dict[str, str], list[str]]:
    """Return the environment merged over a file of settings, and the names in the file of --env-file."""
    if file is None:
        return load_environ(Path.cwd()), []
    written = env_file(file)
    if written.faults:
        raise SettingsError(written.faults)
    return overlay(written.values, os.environ, SETTINGS), list(written.values)


def _export_aws_variables(environ: dict[str, str]) -> None:
    """Export the file's AWS_ variables (profile, region), so that boto3 and Chalice see them."""
    for name, value in environ.items():
        if name.startswith("AWS_") and not name.startswith("AWS_SES_"):
            os.environ.setdefault(name, value)


def _confirm_and_apply(client: Client, plan: Plan, *, dry_run: bool, yes: bool) -> bool:
    """Show the plan, ask, and apply it; return whether it was applied."""
    from sauron.aws.plan import apply

    if not client.json:
        _show(plan)
    if dry_run or not plan.due:
        return False
    if not yes:
        if not sys.stdin.isatty():
            raise SauronError("No terminal to ask on. Read the plan, then run the command again with --yes.")
        click.confirm(
            f"{len(plan.due)} steps in account {plan.account}, {plan.region}. Go on?", abort=True, err=True
        )
    apply(plan.due, _ProgressOnStderr())
    return True


def _show(plan: Plan) -> None:
    if plan.steps:
        show(f"Stage {plan.stage} in account {plan.account}, {plan.region}:")
        table(["", "what", "why"], [[str(step.act), step.what, step.why] for step in plan.steps])
        show("")
    for note in plan.notes:
        say(note)
    if plan.steps and not plan.due:
        say("Nothing to change.")


def _as_json(plan: Plan, *, done: bool) -> dict[str, Any]:
    steps = [{"act": str(step.act), "what": step.what, "why": step.why} for step in plan.steps]
    known = {"stage": plan.stage, "account": plan.account, "region": plan.region, "done": done}
    return known | {"steps": steps, "notes": list(plan.notes), "count": len(plan.due)}


class _ProgressOnStderr:
    """Prints the progress of a plan on standard error: each step as it starts, and its output."""

    def step_started(self, step: Step, number: int, of: int) -> None:
        """Print the step's number and name."""
        self._print(f"[{number:>{len(str(of))}}/{of}] {step.act} {step.what}", style="bold")

    def line(self, text: str) -> None:
        """Print a line of the step's output."""
        self._print(f"    {text}", style="dim")

    @staticmethod
    def _print(line: str, *, style: str) -> None:
        from rich.console import Console

        if sys.stderr.isatty():
            Console(stderr=True, highlight=False, markup=False, emoji=False).print(
                cell(line), style=style, soft_wrap=True
            )
        else:
            sys.stderr.write(cell(line) + "\n")
            sys.stderr.flush()
