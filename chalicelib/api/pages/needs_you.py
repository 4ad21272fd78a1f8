"""Why a job wants a person: since when, the cause, and who knows, in the words of the overview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.answers.job_health import Health, JobHealth
from chalicelib.settings import Settings
from chalicelib.store.incidents import Incident
from chalicelib.text import ago, safe

from .zone import page_zone

CAUSE_CHARS = 300
_UNSAID = {
    Health.FAILING: "The run failed and said no reason.",
    Health.DEGRADED: "The run finished and says itself that not all is well.",
    Health.OFF: "Switched off; nobody said why.",
}


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the overview's list: `word` is the state in words, `told` who knows of it."""

    of: JobHealth
    word: str
    since: datetime | None
    cause: str
    told: str


def say(one: JobHealth, settings: Settings, now: datetime) -> Need:
    """Put into words why a job wants a person."""
    incident = one.incidents.get(one.health)
    word, since, cause = _facts(one, incident)
    told = _told(one, incident, now)
    cause = settings.masked(safe(cause)).strip() or _UNSAID.get(one.health, "")
    cut = cause if len(cause) <= CAUSE_CHARS else f"{cause[:CAUSE_CHARS]} ..."
    return Need(one, word, since, cut, told)


def _facts(one: JobHealth, incident: Incident | None) -> tuple[str, datetime | None, str]:
    job, last, switch = one.job, one.last, one.job.override
    since = incident.since if incident else None
    if one.health is Health.OFF and switch:
        zone = page_zone()
        until = f" until {switch.until.astimezone(zone):%a %d %b %H:%M} {zone.key}" if switch.until else ""
        return f"off{until}", switch.at, f"\u201c{switch.reason}\u201d" if switch.reason else ""
    if one.health is Health.REJECTED:
        return "rejected", since, job.rejected or ""
    if last and one.health in {Health.FAILING, Health.DEGRADED}:
        cause = last.error or (incident.reason if incident else "")
        return one.mark.replace("_", " "), since or last.finished_at, cause
    return str(one.health), since, incident.reason if incident else ""


def _told(one: JobHealth, incident: Incident | None, now: datetime) -> str:
    switch = one.job.override
    if one.health is Health.OFF and switch:
        return f"Switched off by {switch.by or 'somebody'} {ago(switch.at, now)}."
    if one.health is Health.REJECTED:
        return "The definition before it stays in force."
    if incident is None:
        return ""
    if incident.told_at is None:
        return "Nobody was told: no channel for alerts is configured."
    return f"People were told {ago(incident.told_at, now)}."
