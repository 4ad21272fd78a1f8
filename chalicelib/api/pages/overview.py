"""The overview: is all well, what is red, what runs now, what is next, what did not run.

Everything that a page shows of a job comes from `answers`; here it becomes words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalice.app import Blueprint, Response

from chalicelib.answers.consequences import stopped
from chalicelib.answers.job_health import Health, JobHealth, families, healths, with_last_runs
from chalicelib.answers.timelines import DAY, timelines
from chalicelib.api import status_report, vital_signs
from chalicelib.api.auth import is_open
from chalicelib.api.health import warnings
from chalicelib.api.routing import current_request, get
from chalicelib.api.status_report import StatusReport
from chalicelib.model.jobs import Job
from chalicelib.model.runs import RunState
from chalicelib.store import past_runs, registry, run_totals, silences
from chalicelib.store.database import Tx
from chalicelib.text import capitalized
from chalicelib.web.strips import Strip, shades, strip
from chalicelib.wiring import Sauron

from . import first_steps, needs_you, running_now, sauron_itself
from .frame import SAID, page
from .zone import page_zone

blueprint = Blueprint(__name__)

ROWS = 40  # of the timeline
LINKS, MOST_LINKS = 60, 6  # marks that lead to their runs: in all rows, and in one
NEEDS = 12  # of what wants a person; Jobs lists all
NEXT = 60  # jobs that fire first
NEXT_LINES = 6
REMARKS = 10
NEAR = timedelta(minutes=130)  # to now: a label there would lie under that of now
_WORDS = {Health.FAILING: "failing", Health.LATE: "late"}
_CALM = {Health.OFF, Health.RUNNING, Health.WELL}
_ALSO = {
    Health.DEGRADED: ("is", "are"),
    Health.MISSED: ("was", "were"),
    Health.REJECTED: ("was", "were"),
    Health.OFF: ("is", "are"),
}
LONG = timedelta(minutes=10)  # a time of being down that the first lines mention


@get(blueprint, "/", query=SAID)
def overview() -> Response:
    """Show what is wrong first, then what runs, what is next, and the last and next 24 hours."""
    sauron = current_request().sauron
    settings = sauron.settings
    with sauron.store.read() as tx:
        report = status_report.measure(sauron, tx)
        now = report.now
        everything = healths(tx, registry.all_jobs(tx), now=now)
        found = [one for one in everything if one.needs_a_person or not one.job.spec.builtin]
        running = past_runs.running(tx)
        limits = {one.job.id: one.job.spec.timeout for one in everything}
        used = past_runs.usage_of(tx, running)
        progress = [
            running_now.measure(tx, run, limits.get(run.job_id), used.get(run.id), now=now) for run in running
        ]
        shown = families(found)[:ROWS]
        drawn = timelines(tx, [one.job for one, _ in shown], running, now=now)
        links = min(MOST_LINKS, LINKS // max(1, len(shown)))
        kept_back = stopped(tx, [one.job for one, _ in shown])
        rows = [
            Row(
                of=one,
                depth=depth,
                mark=one.mark if one.needs_a_person or one.job.id not in kept_back else RunState.SKIPPED,
                next_at=_next(one, now),
                drawn=strip(drawn[one.job.id], now=now, links=links),
            )
            for one, depth in shown
        ]
        drawn_down = shades(silences.since(tx, now - DAY), now=now)
        failed_at = run_totals.last_bad(tx)
        parts = sauron_itself.parts(sauron, tx, report)
        needs = [one for one in found if one.needs_a_person]
        first = with_last_runs(tx, needs[:NEEDS])
        beside = needs_you.known(tx, settings, first, now=now)
        soon = _soon(tx, now)
        has_run = past_runs.bundle_has_run(tx)
    counts = {health: sum(one.health is health for one in found) for health in Health}
    troubles = _troubles(sauron, report, found)
    notices = warnings(is_open(settings), ())
    steps = first_steps.first_steps(sauron, report, everything, soon, has_run=has_run)
    if steps and not found:
        return first_steps.show(steps, troubles=troubles, notices=notices, parts=parts)
    return page(
        "overview.html",
        here="overview",
        headline=[(counts[one], word, one) for one, word in _WORDS.items() if counts[one]],
        well=sum(not one.needs_a_person for one in found),
        jobs=len(found),
        calm=not troubles and all(one.health in _CALM for one in found),
        also=_also(needs, now),
        only_off=all(one.health is Health.OFF for one in needs),
        was_down=next((one for one in drawn_down[::-1] if one.seconds >= LONG.total_seconds()), None),
        troubles=troubles,
        pause=report.pause,
        notices=notices,
        steps=steps,
        needs=[needs_you.say(one, beside, now) for one in first],
        more_needs=max(0, len(needs) - NEEDS),
        running=progress,
        next_hour=_lines(soon, {one.job.id: one.job for one in everything}, now),
        parts=parts,
        rows=rows,
        more_rows=max(0, len(found) - ROWS),
        hours=_hours(now),
        shades=drawn_down,
        failed_at=failed_at,
        git=status_report.git_sync(settings, report.state, report.revision),
        worked=sauron_itself.last_worked(sauron, now),
        remarks=report.state.remarks[:REMARKS],
        coming=soon[0] if soon else None,
    )


def _also(needs: Sequence[JobHealth], now: datetime) -> str:
    """Return a sentence that counts what else wants a person: "One is degraded, 2 were missed."."""
    parts = []
    for health, (one, several) in _ALSO.items():
        found = [need for need in needs if need.health is health]
        if len(found) == 1:
            parts.append(f"one {one} {health}{_until(found[0], now)}")
        elif found:
            parts.append(f"{len(found)} {several} {health}")
    return f"{capitalized(', '.join(parts))}." if parts else ""


def _until(one: JobHealth, now: datetime) -> str:
    switch = one.job.override
    if one.health is not Health.OFF or switch is None or switch.until is None:
        return ""
    return f" until {needs_you.on_wall(switch.until, now)}"


def _troubles(sauron: Sauron, report: StatusReport, found: Sequence[JobHealth]) -> list[str]:
    """Return what is wrong beside the jobs that stand in the list: with Sauron itself, with a definition."""
    listed = {one.job.id for one in found}
    others = replace(report, incidents=[one for one in report.incidents if one.job_id not in listed])
    return status_report.problems(others, sauron.settings, vital_signs.degraded(sauron.vitals))


@dataclass(frozen=True, slots=True)
class Row:
    """One job's last and next 24 hours; it stands `depth` steps below a job without a parent.

    A well job whose newest occurrence its parent stopped has the mark of that.
    """

    of: JobHealth
    depth: int
    mark: str
    next_at: datetime | None
    drawn: Strip


def _next(one: JobHealth, now: datetime) -> datetime | None:
    return next(iter(one.job.next_fires(now=now, count=1)), None)


def _soon(tx: Tx, now: datetime) -> list[tuple[datetime, str]]:
    """Return when the jobs that fire first do so next, the soonest first."""
    first = [job for job in registry.firing_first(tx, most=NEXT) if not job.spec.builtin]
    return sorted((fire_at, job.id) for job in first for fire_at in job.next_fires(now=now, count=1))


def _lines(
    soon: Sequence[tuple[datetime, str]], jobs: Mapping[str, Job], now: datetime
) -> list[tuple[datetime, list[tuple[str, str]]]]:
    """Return the fire times within the hour, each with its jobs.

    A job stands there once; if it fires more often within the hour, its schedule stands beside it.
    """
    hour = now + timedelta(hours=1)
    lines: dict[datetime, list[tuple[str, str]]] = {}
    for fire_at, job_id in soon:
        if fire_at > hour or (fire_at not in lines and len(lines) == NEXT_LINES):
            break
        spec = jobs[job_id].spec
        again = spec.schedule.count_between(now, hour) > 1
        lines.setdefault(fire_at, []).append((job_id, spec.cron_text if again else ""))
    return list(lines.items())


def _hours(now: datetime) -> list[tuple[int, str]]:
    """Return the axis' labels: every sixth hour of the page's zone, as minutes from 24 hours ago.

    Midnight names its day.
    """
    zone = page_zone()
    start = now - timedelta(hours=24)
    hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    labels = []
    while hour < now + timedelta(hours=24):
        local = hour.astimezone(zone)
        if local.hour % 6 == 0 and local.minute == 0 and abs(hour - now) > NEAR:
            minute = round((hour - start).total_seconds() / 60)
            labels.append((minute, f"{local:%a}" if local.hour == 0 else f"{local:%H}"))
        hour += timedelta(minutes=15)
    return labels
