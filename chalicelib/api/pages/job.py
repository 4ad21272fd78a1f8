"""One job: how it is, what it did and what it did not, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing, healths
from chalicelib.answers.job_history import WORST, job_history
from chalicelib.api import parameters
from chalicelib.api.query import refused
from chalicelib.api.routing import current_request, get
from chalicelib.model.instants import InstantError
from chalicelib.operations.requests import find_job
from chalicelib.store import bundle, history
from chalicelib.web import charts

from . import needs_you
from .form import PARAMS
from .frame import SAID, page

blueprint = Blueprint(__name__)

WHY = parameters.written_instant(
    "why", "Say what happened, or will happen, at this time, read in the job's zone."
)
AFTER = parameters.run_id("after", "The last run of the page before.")
LEDGER = 20
NEXT = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form that is made from a job's params: `kind` is checkbox, number, select or text."""

    name: str
    label: str
    kind: str
    hint: str
    value: str
    choices: tuple[str, ...]
    required: bool
    step: str


@get(blueprint, "/ui/jobs/{job_id}", query=(*SAID, WHY, AFTER))
def job(job_id: str) -> Response:
    """Show one job. A job that left its bundle is a 404 that says when, and where its runs are."""
    current = current_request()
    sauron = current.sauron
    now = sauron.clock.now()
    with sauron.store.read() as tx:
        found = find_job(tx, job_id)
        health = healths(tx, [found], now=now)[0]
        past = job_history(tx, found.id, now=now)
        ledger = history.runs(tx, job_id=found.id, limit=LEDGER + 1, after=AFTER.of(current.query))
        revision = next(iter(bundle.find_revisions(tx, found.revision)), None) if found.revision else None
        red = failing(tx)
    spec = found.spec
    limit = spec.timeout.total_seconds()
    need = needs_you.say(health, sauron.settings, now) if health.needs_a_person else None
    why_at = WHY.of(current.query)
    return page(
        "job.html",
        why_at=why_at,
        why=_why(job_id, why_at) if why_at else None,
        here="jobs",
        failing=red,
        job=found,
        health=health,
        need=need,
        schedule=spec.schedule_text,
        next_fires=found.next_fires(now=now, count=NEXT),
        past=past,
        plot=charts.durations(past.durations, limit) if past.durations.runs else None,
        year=charts.year(past.days, now),
        year_said=charts.said(past.counts, WORST),
        limit=limit,
        ledger=ledger[:LEDGER],
        older=ledger[LEDGER - 1].id if len(ledger) > LEDGER else None,
        fields=_fields(spec.params_schema),
        revision=revision,
        secrets=None if spec.secrets is None else [str(one.get("key")) for one in spec.secrets],
    )


def _why(job_id: str, at: str) -> Mapping[str, Any]:
    """Return the answer for a time in the job's zone. Raises ProblemError 400 with the field's name."""
    try:
        return current_request().sauron.questions.why(job_id, at)
    except InstantError as error:
        raise refused("why", str(error)) from None


def _fields(schema: Mapping[str, Any] | None) -> list[Field]:
    properties = (schema or {}).get("properties")
    if not isinstance(properties, Mapping):
        return []
    required = (schema or {}).get("required") or ()
    return [
        _field(name, one, required=name in required)
        for name, one in properties.items()
        if isinstance(one, Mapping)
    ]


def _field(name: str, schema: Mapping[str, Any], *, required: bool) -> Field:
    kinds = {"boolean": "checkbox", "integer": "number", "number": "number"}
    choices = tuple(str(one) for one in schema.get("enum") or ())
    kind = "select" if choices else kinds.get(str(schema.get("type")), "text")
    low, high = schema.get("minimum"), schema.get("maximum")
    span = f"{low} to {high}" if low is not None and high is not None else ""
    default = schema.get("default")
    return Field(
        name=f"{PARAMS}{name}",
        label=name,
        kind=kind,
        hint=" ".join(part for part in (span, str(schema.get("description") or "")) if part),
        value="" if default is None else default if isinstance(default, str) else json.dumps(default),
        choices=choices,
        required=required and default is None and kind != "checkbox",
        step="1" if schema.get("type") == "integer" else "any",
    )
