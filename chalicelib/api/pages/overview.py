"""The overview: is all well, what is red, what runs now, what is next, what did not run.

Everything that a page shows of a job comes from `answers`; here it becomes words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import Health, JobHealth, healths
from chalicelib.answers.timelines import timelines
from chalicelib.api import status_report, vital_signs
from chalicelib.api.auth import is_open
from chalicelib.api.health import warnings
from chalicelib.api.routing import current_request, get
from chalicelib.api.status_report import StatusReport
from chalicelib.store import past_runs, registry
from chalicelib.store.database import Tx
from chalicelib.web.strips import strip
from chalicelib.wiring import Sauron

from . import needs_you, running_now, sauron_itself
from .frame import SAID, page

blueprint = Blueprint(__name__)

ROWS = 40  # of the timeline
NEEDS = 12  # of what wants a person; Jobs lists all
NEXT = 60  # jobs that fire first
NEXT_LINES = 6
REMARKS = 10
NEAR = timedelta(minutes=80)  # to now: a label there would lie under that of now
_WORDS = {Health.FAILING: "failing", Health.LATE: "late"}
_CALM = {Health.OFF, Health.RUNNING, Health.WELL}
_ALSO = (
    (Health.DEGRADED, "degraded"),
    (Health.MISSED, "missed"),
    (Health.REJECTED, "rejected"),
    (Health.OFF, "off"),
)


@get(blueprint, "/", query=SAID)
def overview() -> Response:
    """Show what is wrong first, then what runs, what is next, and the last and next 24 hours."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        report = status_report.measure(sauron, tx)
        now = report.now
        everything = healths(tx, registry.all_jobs(tx), now=now)
        found = [one for one in everything if one.needs_a_person or not one.job.spec.builtin]
        running = past_runs.running(tx)
        limits = {one.job.id: one.job.spec.timeout for one in everything}
        progress = [running_now.measure(tx, run, limits.get(run.job_id), now=now) for run in running]
        shown = found[:ROWS]
        drawn = timelines(tx, [one.job for one in shown], running, now=now)
        rows = [(one, _next(one, now), strip(drawn[one.job.id], now=now)) for one in shown]
        parts = sauron_itself.parts(sauron, tx, report)
        soon = _soon(tx, now)
    settings = sauron.settings
    counts = {health: sum(one.health is health for one in found) for health in Health}
    troubles = _troubles(sauron, report, found)
    needs = [one for one in found if one.needs_a_person]
    return page(
        "overview.html",
        here="overview",
        headline=[(counts[one], word, one) for one, word in _WORDS.items() if counts[one]],
        well=sum(not one.needs_a_person for one in found),
        jobs=len(found),
        calm=not troubles and all(one.health in _CALM for one in found),
        also=[(count, word) for one, word in _ALSO if (count := sum(x.health is one for x in needs))],
        troubles=troubles,
        pause=report.pause,
        notices=warnings(is_open(settings), ()),
        needs=[needs_you.say(one, settings, now) for one in needs[:NEEDS]],
        more_needs=max(0, len(needs) - NEEDS),
        running=progress,
        next_hour=_lines(soon, now),
        parts=parts,
        rows=rows,
        more_rows=max(0, len(found) - ROWS),
        hours=_hours(now),
        git=status_report.git_sync(settings, report.state, report.revision),
        worked=vital_signs.ages(sauron.vitals),
        remarks=report.state.remarks[:REMARKS],
        coming=soon[0] if soon else None,
    )


def _troubles(sauron: Sauron, report: StatusReport, found: Sequence[JobHealth]) -> list[str]:
    """Return what is wrong beside the jobs that stand in the list: with Sauron itself, with a definition."""
    listed = {one.job.id for one in found}
    others = replace(report, incidents=[one for one in report.incidents if one.job_id not in listed])
    return status_report.problems(others, sauron.settings, vital_signs.degraded(sauron.vitals))


def _next(one: JobHealth, now: datetime) -> datetime | None:
    return next(iter(one.job.next_fires(now=now, count=1)), None)


def _soon(tx: Tx, now: datetime) -> list[tuple[datetime, str]]:
    """Return when the jobs that fire first do so next, the soonest first."""
    first = [job for job in registry.firing_first(tx, most=NEXT) if not job.spec.builtin]
    return sorted((fire_at, job.id) for job in first for fire_at in job.next_fires(now=now, count=1))


def _lines(soon: Sequence[tuple[datetime, str]], now: datetime) -> list[tuple[datetime, list[str]]]:
    """Return the fire times within the hour, each with its jobs."""
    lines: dict[datetime, list[str]] = {}
    for fire_at, job_id in soon:
        if fire_at <= now + timedelta(hours=1):
            lines.setdefault(fire_at, []).append(job_id)
    return list(lines.items())[:NEXT_LINES]


def _hours(now: datetime) -> list[tuple[int, str]]:
    """Return the axis' labels: every sixth hour, as minutes from 24 hours ago. Midnight names its day."""
    start = now - timedelta(hours=24)
    hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    labels = []
    while hour < now + timedelta(hours=24):
        if hour.hour % 6 == 0 and abs(hour - now) > NEAR:
            minute = round((hour - start).total_seconds() / 60)
            labels.append((minute, f"{hour:%a}" if hour.hour == 0 else f"{hour:%H}"))
        hour += timedelta(hours=1)
    return labels
