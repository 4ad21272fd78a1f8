"""One job: how it is, what it did and what it did not, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing, healths, with_last_runs
from chalicelib.answers.job_history import WORST, job_history
from chalicelib.answers.pace import pace
from chalicelib.api import parameters
from chalicelib.api.query import refused
from chalicelib.api.routing import current_request, get
from chalicelib.bundle.job_source import JobSource, job_source
from chalicelib.model.instants import InstantError
from chalicelib.model.jobs import Job
from chalicelib.operations.requests import find_job
from chalicelib.store import bundle, history, past_runs, registry, standings
from chalicelib.store.queue import chains
from chalicelib.web import charts
from chalicelib.wiring import Sauron

from . import job_set, job_usage, needs_you, param_fields
from .frame import SAID, page

blueprint = Blueprint(__name__)

AT = parameters.written_instant(
    "at", "Say what happened, or will happen, at this time, read in the job's zone."
)
AFTER = parameters.run_id("after", "The last run of the page before.")
LEDGER = 20
NEXT = 5


@get(blueprint, "/ui/jobs/{job_id}", query=(*SAID, AT, AFTER))
def job(job_id: str) -> Response:
    """Show one job. Of a job that left its bundle the page says when, and shows its history."""
    current = current_request()
    sauron = current.sauron
    now = sauron.clock.now()
    with sauron.store.read() as tx:
        found = registry.job(tx, job_id) or find_job(tx, job_id)
        (health,) = with_last_runs(tx, healths(tx, [found], now=now))
        past = job_history(tx, found.id, now=now)
        ledger = history.runs(tx, job_id=found.id, limit=LEDGER + 1, after=AFTER.of(current.query))
        revisions = bundle.known_revisions(tx, [found.revision] if found.revision else [])
        gone = bundle.activated_at(tx, found.removed_at) if found.removed_at else None
        switched = [one for one in job_set.switches(standings.of_job(tx, found.id)) if one.ended]
        red = failing(tx)
        followed_by = chains.children(tx, found.id)
        beside = needs_you.known(tx, sauron.settings, [health], now=now)
        used = past_runs.used_by(tx, [run.id for run in past.durations.runs])
    spec = found.spec
    limit = spec.timeout.total_seconds()
    here = found.removed_at is None
    at = AT.of(current.query)
    drawn = past.durations if len(past.durations.runs) > 1 else None  # one says nothing
    return page(
        "job.html",
        at=at,
        why=_why(job_id, at) if at else None,
        here="jobs",
        failing=red,
        job=found,
        gone=gone,
        health=health,
        word="removed" if not here else health.mark,
        need=needs_you.say(health, beside, now) if here and health.needs_a_person else None,
        schedule=spec.schedule_text,
        next_fires=found.next_fires(now=now, count=NEXT),
        past=past,
        change=pace(past.durations.good).change,
        plots=[charts.durations(drawn, limit, now, narrow=narrow) for narrow in (False, True)]
        if drawn
        else [],
        uses=job_usage.used(past.durations.runs, used, spec.memory_mb, now),
        years=[charts.year(past.days, now, weeks=weeks) for weeks in (charts.WEEKS, charts.FEW_WEEKS)],
        year_said=charts.said(past.counts, WORST),
        limit=limit,
        ledger=ledger[:LEDGER],
        older=ledger[LEDGER - 1].id if len(ledger) > LEDGER else None,
        fields=param_fields.fields(spec.params_schema),
        revision=revisions.get(found.revision or ""),
        code=_code(sauron, found),
        switched=switched,
        set_up=job_set.set_up(spec),
        followed_by=followed_by,
    )


def _code(sauron: Sauron, found: Job) -> JobSource | None:
    """Return the code of a job as its revision holds it, without secrets; None where it cannot be read."""
    if found.revision is None or found.spec.builtin:
        return None
    settings, spec = sauron.settings, found.spec
    code = job_source(
        settings.jobs_dir, settings.jobs_git_subdir, found.revision, spec.entrypoint, spec.place
    )
    return code and replace(code, text=settings.masked(code.text))


def _why(job_id: str, at: str) -> Mapping[str, Any]:
    """Return the answer for a time in the job's zone. Raises ProblemError 400 with the field's name."""
    try:
        return current_request().sauron.questions.why(job_id, at)
    except InstantError as error:
        raise refused("at", str(error)) from None
