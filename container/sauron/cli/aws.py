"""`sauron aws up` and `sauron aws down`: a stage in an AWS account, planned, agreed to and carried out before your eyes.

Both say first what they will do and ask; both may be interrupted and run again. Values of secrets are never
shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.errors import SauronError, SettingsError
from chalicelib.settings import load_environ

from .client import SHARED, Client, command
from .output import clean, say, show, show_json, table, waiting

if TYPE_CHECKING:
    from sauron.aws.plan import Plan, Step

STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")


@click.group("aws")
def aws() -> None:
    """Run Sauron on AWS Lambda: `up` makes or changes a stage, `down` removes it."""


aws.params.extend(SHARED())


def _stage(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not STAGE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no stage. Write small letters, digits and dashes, for example prod"
        )
    return value


@command("up")
@click.option(
    "--stage", default="prod", show_default=True, callback=_stage, help="Which of several deployments."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    help="A secret of jobs, its value from the environment; repeat it.",
)
@click.option(
    "--forget", multiple=True, metavar="NAME", help="A secret that AWS shall not hold any longer; repeat it."
)
@click.option(
    "--concurrency",
    type=click.IntRange(2, 1000),
    help="How many runs go at once at most; stays until it is changed.",
)
@click.option("--alarm-email", metavar="ADDRESS", help="Who is told when the clock stands still.")
@click.option("--again", is_flag=True, help="Deploy even if nothing changed.")
def up(
    asked: Client,
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
    """Make a stage in AWS, or bring it to what the settings and this checkout say."""
    asked.only_here("aws up")
    from sauron.aws import desired
    from sauron.aws import up as rooms
    from sauron.aws.names import Names

    names = Names(stage)
    environ, written = _environ(env_file)
    _adopt(environ)
    faults: tuple[str, ...] = ()
    want = None
    try:
        want = desired.read(environ, names, job_secrets=job_secrets, written=written)
    except SettingsError as error:
        faults = error.faults
    account, root = rooms.check(names, faults)
    assert want is not None  # noqa: S101 - its failure is among the faults
    if both := sorted(set(forget) & want.secrets.keys()):
        raise click.BadParameter(
            f"{', '.join(both)} is set here; take it out here first", param_hint="--forget"
        )
    if alarm_email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+", alarm_email):
        raise click.BadParameter(
            f"{alarm_email!r} is no mail address; write ops@example.org", param_hint="--alarm-email"
        )
    with waiting("Looking at what AWS has"):
        made = rooms.plan(account, root, names, want, rooms.Request(concurrency, alarm_email, forget, again))
    done = _agreed(asked, made, dry_run=dry_run, yes=yes)
    url = rooms.address(account, names) if done or not made.due else None
    if asked.json:
        show_json(_facts(made, done=done) | {"url": url})
        return 0
    if url:
        show(f"Sauron is at {url}")
        show("")
        show(
            "To check it, with a token of SAURON_API_TOKENS (the clock needs a minute or two to come round):"
        )
        show(f"  curl {url}health")
        show(f"  sauron --url {url} --token TOKEN status")
        show(f"  sauron --url {url} --token TOKEN sync")
    return 0


@command("down")
@click.option(
    "--stage", default="prod", show_default=True, callback=_stage, help="Which of several deployments."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def down(asked: Client, *, stage: str, dry_run: bool, yes: bool) -> int:
    """Remove a stage from AWS: everything but the database."""
    asked.only_here("aws down")
    from sauron.aws import down as rooms
    from sauron.aws import up as way
    from sauron.aws.names import Names

    names = Names(stage)
    _adopt(_environ(None)[0])
    account, root = way.check(names)
    with waiting("Looking at what AWS has"):
        made = rooms.plan(account, root, names)
    if not made.steps:
        say(f"There is nothing of stage {stage} in account {made.account}, {made.region}.")
    done = _agreed(asked, made, dry_run=dry_run, yes=yes)
    if asked.json:
        show_json(_facts(made, done=done))
    elif done:
        show(f"Stage {stage} is gone. {rooms.KEPT}")
    return 0


for one in (up, down):
    aws.add_command(one)


def _environ(file: Path | None) -> tuple[dict[str, str], list[str]]:
    """Return the environment over a file of settings, and the names that the file holds if it was named."""
    if file is None:
        return load_environ(Path.cwd()), []
    from dotenv import dotenv_values

    written = {name: value for name, value in dotenv_values(file).items() if value}
    return written | {name: value for name, value in os.environ.items() if value}, list(written)


def _adopt(environ: dict[str, str]) -> None:
    """Let AWS's own tools see what the file says about AWS: the profile, the region."""
    for name, value in environ.items():
        if name.startswith("AWS_") and not name.startswith("AWS_SES_"):
            os.environ.setdefault(name, value)


def _agreed(asked: Client, made: Plan, *, dry_run: bool, yes: bool) -> bool:
    """Show the plan, ask, and carry it out; return whether it was."""
    from sauron.aws.plan import carry_out

    if not asked.json:
        _show(made)
    if dry_run or not made.due:
        return False
    if not yes:
        if not sys.stdin.isatty():
            raise SauronError("Nobody is there to agree. Look at the plan, then say --yes.")
        click.confirm(
            f"{len(made.due)} steps in account {made.account}, {made.region}. Go on?", abort=True, err=True
        )
    carry_out(made.due, _Watched())
    return True


def _show(made: Plan) -> None:
    if made.steps:
        show(f"Stage {made.stage} in account {made.account}, {made.region}:")
        table(["", "what", "why"], [[str(step.act), step.what, step.why] for step in made.steps])
        show("")
    for note in made.notes:
        say(note)
    if made.steps and not made.due:
        say("Everything is as it should be.")


def _facts(made: Plan, *, done: bool) -> dict[str, Any]:
    steps = [{"act": str(step.act), "what": step.what, "why": step.why} for step in made.steps]
    known = {"stage": made.stage, "account": made.account, "region": made.region, "done": done}
    return known | {"steps": steps, "notes": list(made.notes), "count": len(made.due)}


class _Watched:
    """Tells on standard error how a plan goes: each step as it begins, and what it says."""

    def begins(self, step: Step, number: int, of: int) -> None:
        """Tell that a step begins."""
        self._tell(f"[{number:>{len(str(of))}}/{of}] {step.act} {step.what}", style="bold")

    def tells(self, line: str) -> None:
        """Tell what a step says meanwhile."""
        self._tell(f"    {line}", style="dim")

    @staticmethod
    def _tell(line: str, *, style: str) -> None:
        from rich.console import Console

        if sys.stderr.isatty():
            Console(stderr=True, highlight=False, markup=False, emoji=False).print(
                clean(line), style=style, soft_wrap=True
            )
        else:
            sys.stderr.write(clean(line) + "\n")
            sys.stderr.flush()
