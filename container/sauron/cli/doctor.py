"""The command that finds the commonest mistakes of a deployment."""

from __future__ import annotations

from pathlib import Path

import click

from chalicelib.text import counted

from .client import Client, command
from .examples import examples
from .output import show, show_json, waiting


@command("doctor", epilog=examples("sauron doctor", "sauron doctor --offline --json"))
@click.option("--offline", is_flag=True, help="Ask neither store, git host nor mail service.")
def doctor(client: Client, *, offline: bool) -> int:
    """Find common mistakes of this deployment, and their cures. Exit code 1 if there is one.

    It looks from where it runs, with the settings that Sauron reads there, and changes nothing.
    """
    client.local_only("doctor")
    from chalicelib.answers.doctor import examine, findings_json
    from chalicelib.clock import SystemClock
    from chalicelib.settings import Settings
    from chalicelib.wiring.doctor_facts import gather

    settings, faults = Settings.usable(Path.cwd())
    with waiting("Looking at settings, store, git and mail"):
        found = examine(gather(settings, SystemClock(), faults=faults, outside=not offline))
    wrong = [one for one in found if not one.ok]
    if client.json:
        show_json(findings_json(found))
        return 1 if wrong else 0
    for one in wrong:
        show(f"{one.check}: {one.found}\n  fix: {one.fix}")
    many = counted(len(found) - len(wrong), "check")
    show(f"{many} {'is' if len(found) - len(wrong) == 1 else 'are'} well.")
    return 1 if wrong else 0
