"""Why a job wants a person: since when, the cause, who knows, and the cure, in the words of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.alerting import messages
from chalicelib.answers.consequences import Consequences, consequences
from chalicelib.answers.job_health import Health, JobHealth
from chalicelib.answers.waiting import Backlog, backlog
from chalicelib.clock import local
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import Job, Override
from chalicelib.model.runs import Run, RunState
from chalicelib.settings import Settings
from chalicelib.store import alerts, history, past_runs, run_totals
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident
from chalicelib.text import about, capitalized, counted, listed, on, safe
from chalicelib.web.zoned import UTC, Sentence

from .zone import page_zone

CAUSE_CHARS = 300
MOST_IN_A_ROW = 100  # failures that are counted
NAMED = 3  # jobs in a sentence
FORESEEN = timedelta(days=366)  # beyond it nobody counts occurrences, and schedules end somewhere
_SENTENCE = re.compile("[a-z]+ [a-z]")  # begins with words, not with a path, a name or a number
_UNSAID = {
    Health.FAILING: "The run failed and said no reason.",
    Health.DEGRADED: "The run finished and says itself that not all is well.",
    Health.OFF: "Switched off; nobody said why.",
}
# What befalls the jobs that follow one: for one of them, for several.
_WHILE = {
    Health.LATE: ("waits for it", "wait for it"),
    Health.OFF: ("does not run while it is off", "do not run while it is off"),
}
_CURES = {
    RunState.TIMED_OUT: "raise timeout_seconds at {place}, or give it less to do.",
    Health.FAILING: "the log of the run says more. Mend the job, sync, and retry.",
    Health.LATE: "it starts by itself once that is over; why? below says more.",
    Health.DEGRADED: "what the run printed and returned says what is not well.",
    Health.MISSED: "run it now, or let catchup make missed occurrences good.",
    Health.REJECTED: "correct the definition, push, and sync.",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of several jobs beside their health.

    `waiting` holds (channel, subject, kind) of alerts that were not delivered yet, `bad` how many runs failed
    in a row, `good` when one last ended well, `late` what is due, and `of` the run that an incident names.
    """

    settings: Settings
    waiting: AbstractSet[tuple[str, str, str]]
    bad: Mapping[str, int]
    good: Mapping[str, datetime]
    late: Mapping[str, Backlog]
    of: Mapping[str, Run]
    others: Mapping[str, Consequences]


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the overview's list: `word` is the state in words, `told` who knows of it.

    `watch` is the run that holds it up, `behind` the one whose end it waits for; `at` is the time of the
    occurrence that it is about, as a field for times in the job's zone holds it.
    """

    of: JobHealth
    word: str
    since: datetime | None
    cause: str
    told: tuple[str | Sentence, ...]
    cure: str
    watch: Run | None = None
    behind: tuple[Run, str] | None = None
    at: str = ""


def known(tx: Tx, settings: Settings, found: Sequence[JobHealth], *, now: datetime) -> Known:
    """Read what is said of these jobs beside their health."""
    failing = [one.job.id for one in found if one.health is Health.FAILING]
    good = run_totals.last_good(tx, failing)
    bad: dict[str, int] = {
        job_id: past_runs.bad_in_a_row(tx, job_id, since=good.get(job_id), most=MOST_IN_A_ROW)
        for job_id in failing
    }
    named: dict[str, Run] = {}
    late: dict[str, Backlog] = {}
    for one in found:
        incident = one.incidents.get(one.health)
        if incident and incident.run_id and (run := history.run(tx, incident.run_id)):
            named[one.job.id] = run
        if one.health is Health.LATE and (due := backlog(tx, one.job, now=now, settings=settings)):
            late[one.job.id] = due
    others = consequences(tx, found, now=now)
    return Known(settings, alerts.waiting_about(tx), bad, good, late, named, others)


def say(one: JobHealth, beside: Known, now: datetime) -> Need:
    """Put into words why a job wants a person."""
    incident = one.incidents.get(one.health)
    late = beside.late.get(one.job.id)
    word, since, cause = _facts(one, incident, late, now)
    cause = beside.settings.masked(safe(cause)).strip() or _UNSAID.get(one.health, "")
    if _SENTENCE.match(cause):
        cause = capitalized(cause)
    cut = cause if len(cause) <= CAUSE_CHARS else f"{cause[:CAUSE_CHARS]} ..."
    told = (
        *_in_a_row(one, beside, now),
        *_one_at_a_time(one, late),
        *_told(one, incident, beside, now),
        *_others(one, beside.others.get(one.job.id, Consequences())),
    )
    cure = _CURES.get(RunState.TIMED_OUT if one.mark == RunState.TIMED_OUT else one.health, "")
    about_ = (late.due[0] if late else None) or beside.of.get(one.job.id) or one.last
    behind = late.wait.behind if late else None
    return Need(
        of=one,
        word=word,
        since=since,
        cause=cut,
        told=told,
        cure=cure.format(place=one.job.spec.place),
        watch=behind or (late.due[0] if late else None),
        behind=(behind, _time(behind, now)) if behind else None,
        at=_in_zone(about_.gap_from or about_.scheduled_for, one.job) if about_ else "",
    )


def _in_zone(instant: datetime, job: Job) -> str:
    try:
        zone = find_zone(job.spec.timezone, expression=None)
    except ScheduleError:  # an update of the zone data dropped it
        zone = UTC
    return f"{local(instant, zone):%Y-%m-%dT%H:%M}"


def _time(run: Run, now: datetime) -> str:
    return on_wall(run.scheduled_for, now)


def on_wall(instant: datetime, now: datetime) -> str:
    """Say when something was or will be, as short as is clear, in the page's zone."""
    zone = page_zone()
    return on(local(instant, zone), local(now, zone))


def _facts(
    one: JobHealth, incident: Incident | None, backlog: Backlog | None, now: datetime
) -> tuple[str, datetime | None, str]:
    job, last, switch = one.job, one.last, one.job.override
    since = incident.since if incident else None
    if one.health is Health.OFF and switch:
        until = f" until {on_wall(switch.until, now)}" if switch.until else ""
        return f"off{until}", None, f"\u201c{switch.reason}\u201d" if switch.reason else ""
    if one.health is Health.REJECTED:
        return "rejected", since, job.rejected or ""
    if one.health is Health.LATE and incident:
        said = _waits(backlog, now) if backlog else f"{capitalized(incident.reason)}."
        return late(incident.since, now), None, said
    if last and one.health in {Health.FAILING, Health.DEGRADED}:
        cause = last.error or (incident.reason if incident else "")
        return one.mark.replace("_", " "), since or last.finished_at, cause
    return str(one.health), since, incident.reason if incident else ""


def _waits(found: Backlog, now: datetime) -> str:
    """Say what is due and has not started, and what it waits for."""
    times, many = listed([_time(run, now) for run in found.due]), len(found.due) > 1
    runs = f"The runs of {times}" if many else f"The run of {times}"
    other = found.wait.behind
    if other is None:
        return f"{runs} {'have' if many else 'has'} not started: {found.wait.cause}."
    waits = f"{runs} {'wait' if many else 'waits'} for the run of {_time(other, now)}"
    if other.state is not RunState.RUNNING or other.started_at is None:
        return f"{waits}, which is due before."
    usual = f", usually {about(found.usual)}" if found.usual is not None else ""
    return f"{waits}, which is running for {about((now - other.started_at).total_seconds())}{usual}."


def _one_at_a_time(one: JobHealth, found: Backlog | None) -> Iterator[str]:
    if found and found.wait.behind:
        yield f"overlap is {one.job.spec.overlap}: one at a time."


def _others(one: JobHealth, found: Consequences) -> Iterator[str]:
    """Say which other jobs do not run, or wait, because of this one."""
    said = _WHILE.get(one.health, ("did not run because of it", "did not run because of it"))
    if others := found.held if one.health in _WHILE else found.stopped:
        yield f"{listed(others, most=NAMED)} {said[len(others) > 1]}."
    if found.crowded_out:
        waits = "wait" if len(found.crowded_out) > 1 else "waits"
        yield f"{listed(found.crowded_out, most=NAMED)} {waits} for its place in pool {found.pool}."


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
        yield from _while_off(one.job, switch, now)
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
    told = listed([_name(one, beside.settings) for one in channels if one not in waits])
    if not channels:
        yield Sentence("People were told {}.", (incident.told_at,), now)
    elif told:
        yield Sentence("Told {}, last {}.", (told, incident.told_at), now)
    if owed := listed([_name(one, beside.settings) for one in channels if one in waits]):
        yield f"Not sent yet: {owed}."


def _while_off(job: Job, switch: Override, now: datetime) -> Iterator[str]:
    """Count the occurrences of the time in which somebody has a job off."""
    if not job.spec.cron or job.rejected is not None:
        return
    try:
        schedule = job.spec.schedule
    except ScheduleError:  # an update of the zone data dropped its zone
        return
    skipped = f"{counted(schedule.count_between(switch.at, now), 'occurrence')} skipped"
    if switch.until is None or switch.until - now > FORESEEN:
        yield f"{skipped}."
    else:
        yield f"{skipped}, {schedule.count_between(now, switch.until)} to come."


def _name(channel: str, settings: Settings) -> str:
    return {messages.MAIL: settings.alert_email or channel, messages.WEBHOOK: "the webhook"}.get(
        channel, channel
    )
