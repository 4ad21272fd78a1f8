"""The settings as they are in effect, each with where it came from, and what the doctor finds.

The table of settings is the README's, in its order. Of a secret the page says only whether it is set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.doctor import Finding, examine
from chalicelib.answers.job_health import failing
from chalicelib.api import parameters
from chalicelib.api.routing import current_request, get
from chalicelib.settings import SETTINGS, Setting, Settings
from chalicelib.settings_readers import days
from chalicelib.text import counted
from chalicelib.wiring import doctor_facts

from .frame import SAID, page

blueprint = Blueprint(__name__)

ASK = parameters.flag("ask", "Let the doctor ask the store, the git host and the mail service too.")
MOST = 200  # characters of a value: known host keys and certificates are long
# What the settings are about: each heading with the first of its rows.
HEADINGS = {
    "JOB_QUEUE_DB_URL": "Store and Life Hub",
    "JOBS_GIT_REPO_URL": "Bundle",
    "JOB_SCHEDULER_NAME": "Scheduler",
    "SSH_PRIVATE_KEY_B64": "Keys",
    "AWS_SES_ACCESS_KEY_ID": "Mail",
    "API_HOST": "HTTP, log and tokens",
    "SAURON_WORKERS": "Attempts",
    "SAURON_KEEP_RUNS_DAYS": "What is kept",
    "SAURON_PUBLIC_URL": "Addresses, alerts and assistant",
    "SAURON_SQS_QUEUE_URL": "AWS",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One setting: its value in words, None if it has none, and where that came from."""

    of: Setting
    value: str | None
    origin: str


@get(blueprint, "/ui/settings", query=(*SAID, ASK))
def settings() -> Response:
    """Show what the doctor finds, what is not well first, and every setting."""
    current = current_request()
    asked = ASK.of(current.query)
    sauron = current.sauron
    facts = doctor_facts.gather(sauron.settings, sauron.clock, outside=asked)
    found = sorted(examine(facts), key=lambda one: one.ok)
    with sauron.store.read() as tx:
        red = failing(tx)
    return page(
        "settings.html",
        here="settings",
        failing=red,
        headline=_headline(found),
        findings=[_told(one, sauron.settings) for one in found],
        asked=asked,
        groups=groups(sauron.settings),
        warnings=[sauron.settings.masked(one) for one in sauron.settings.warnings],
    )


def groups(settings: Settings) -> list[tuple[str, list[Line]]]:
    """Return every setting in the order of the table, below its heading."""
    found: list[tuple[str, list[Line]]] = []
    for setting in SETTINGS:
        if setting.name in HEADINGS or not found:
            found.append((HEADINGS.get(setting.name, "Settings"), []))
        origin = settings.origins.get(setting.name, "default")
        found[-1][1].append(Line(setting, shown(setting, settings), origin))
    return found


def shown(setting: Setting, settings: Settings) -> str | None:
    """Return a value as one would write it; of a secret only that it is set, and None without a value."""
    value: Any = getattr(settings, setting.attribute)
    if setting.secret:
        return "set" if setting.name in settings.origins else None
    if value is None:
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, timedelta):
        return str(value.days) if setting.read is days else f"{value.total_seconds():g}"
    text = settings.masked(str(value))
    return text if len(text) <= MOST else f"{text[:MOST]} ..."


def _headline(found: Sequence[Finding]) -> str:
    bad = sum(not one.ok for one in found)
    return f"The doctor finds {counted(bad, 'thing')} to mend" if bad else "The doctor finds nothing to mend"


def _told(one: Finding, settings: Settings) -> Finding:
    """Return a finding as the page writes it, without secrets."""
    check = one.check[0].upper() + one.check[1:]
    named = re.sub(r"(?i)\b(?:api|url)\b", lambda word: word[0].upper(), check).replace("Sqlite", "SQLite")
    return Finding(named, one.ok, settings.masked(one.found), settings.masked(one.fix))
