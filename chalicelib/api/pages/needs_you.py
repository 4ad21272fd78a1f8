"""Why a job wants a person: since when, the cause, who knows, and the cure, in the words of the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from chalicelib.alerting import messages
from chalicelib.answers.job_health import Health, JobHealth
from chalicelib.clock import local
from chalicelib.model.runs import RunState
from chalicelib.settings import Settings
from chalicelib.store import alerts, past_runs, run_totals
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident
from chalicelib.text import about, counted, safe
from chalicelib.web.zoned import Sentence

from .zone import page_zone

CAUSE_CHARS = 300
MOST_IN_A_ROW = 100  # failures that are counted
_UNSAID = {
    Health.FAILING: "The run failed and said no reason.",
    Health.DEGRADED: "The run finished and says itself that not all is well.",
    Health.OFF: "Switched off; nobody said why.",
}
_CURES = {
    RunState.TIMED_OUT: "raise timeout_seconds at {place}, or give it less to do.",
    Health.FAILING: "the log of the run says more. Mend the job, sync, and retry.",
    Health.LATE: "ask why below; it names what the run waits for.",
    Health.DEGRADED: "what the run printed and returned says what is not well.",
    Health.MISSED: "run it now, or let catchup make missed occurrences good.",
    Health.REJECTED: "correct the definition, push, and sync.",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of several jobs beside their health.

    `waiting` holds (channel, subject, kind) of alerts that were not delivered yet, `bad` how many runs failed
    in a row, `good` when one last ended well.
    """

    settings: Settings
    waiting: AbstractSet[tuple[str, str, str]]
    bad: Mapping[str, int]
    good: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the overview's list: `word` is the state in words, `told` who knows of it."""

    of: JobHealth
    word: str
    since: datetime | None
    cause: str
    told: tuple[str | Sentence, ...]
    cure: str


def known(tx: Tx, settings: Settings, found: Sequence[JobHealth]) -> Known:
    """Read what is said of these jobs beside their health."""
    failing = [one.job.id for one in found if one.health is Health.FAILING]
    good = run_totals.last_good(tx, failing)
    bad: dict[str, int] = {
        job_id: past_runs.bad_in_a_row(tx, job_id, since=good.get(job_id), most=MOST_IN_A_ROW)
        for job_id in failing
    }
    return Known(settings, alerts.waiting_about(tx), bad, good)


def say(one: JobHealth, beside: Known, now: datetime) -> Need:
    """Put into words why a job wants a person."""
    incident = one.incidents.get(one.health)
    word, since, cause = _facts(one, incident, now)
    cause = beside.settings.masked(safe(cause)).strip() or _UNSAID.get(one.health, "")
    cut = cause if len(cause) <= CAUSE_CHARS else f"{cause[:CAUSE_CHARS]} ..."
    told = (*_in_a_row(one, beside, now), *_told(one, incident, beside, now))
    cure = _CURES.get(RunState.TIMED_OUT if one.mark == RunState.TIMED_OUT else one.health, "")
    return Need(one, word, since, cut, told, cure.format(place=one.job.spec.place))


def _facts(one: JobHealth, incident: Incident | None, now: datetime) -> tuple[str, datetime | None, str]:
    job, last, switch = one.job, one.last, one.job.override
    since = incident.since if incident else None
    if one.health is Health.OFF and switch:
        zone = page_zone()
        until = f" until {local(switch.until, zone):%a %d %b %H:%M} {zone.key}" if switch.until else ""
        return f"off{until}", switch.at, f"\u201c{switch.reason}\u201d" if switch.reason else ""
    if one.health is Health.REJECTED:
        return "rejected", since, job.rejected or ""
    if one.health is Health.LATE and incident:
        return late(incident.since, now), None, f"{incident.reason[:1].upper()}{incident.reason[1:]}."
    if last and one.health in {Health.FAILING, Health.DEGRADED}:
        cause = last.error or (incident.reason if incident else "")
        return one.mark.replace("_", " "), since or last.finished_at, cause
    return str(one.health), since, incident.reason if incident else ""


def late(since: datetime, now: datetime) -> str:
    """Say how late something is."""
    return f"{about((now - since).total_seconds())} late"


def _in_a_row(one: JobHealth, beside: Known, now: datetime) -> Iterator[str | Sentence]:
    count = beside.bad.get(one.job.id, 0)
    if not count:
        return
    more = " or more" if count == MOST_IN_A_ROW else ""
    failed = "The last run failed" if count == 1 else f"{counted(count, 'run')}{more} failed in a row"
    last = beside.good.get(one.job.id)
    if last is None:
        yield f"{failed}; none ever ended well."
    else:
        yield Sentence("{}; the last good one ended {}.", (failed, last), now)


def _told(
    one: JobHealth, incident: Incident | None, beside: Known, now: datetime
) -> Iterator[str | Sentence]:
    switch = one.job.override
    if one.health is Health.OFF and switch:
        yield Sentence("Switched off by {} {}.", (switch.by or "somebody", switch.at), now)
        return
    if one.health is Health.REJECTED:
        yield "The definition before it stays in force."
        return
    if incident is None:
        if one.health is Health.DEGRADED:
            yield "Nobody is told about degraded runs."
        return
    channels = messages.channels(beside.settings)
    if incident.told_at is None:
        yield "Nobody was told yet." if channels else "Nobody was told: no channel for alerts is configured."
        return
    waits = {name for name, *about_ in beside.waiting if about_ == [incident.subject, incident.kind]}
    told = _listed([_name(one, beside.settings) for one in channels if one not in waits])
    if not channels:
        yield Sentence("People were told {}.", (incident.told_at,), now)
    elif told:
        yield Sentence("Told {}, last {}.", (told, incident.told_at), now)
    if owed := _listed([_name(one, beside.settings) for one in channels if one in waits]):
        yield f"Not sent yet: {owed}."


def _name(channel: str, settings: Settings) -> str:
    return {messages.MAIL: settings.alert_email or channel, messages.WEBHOOK: "the webhook"}.get(
        channel, channel
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
