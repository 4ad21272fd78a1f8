"""The list of jobs: found by text, tag, project and state, all of which live in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import Health, JobHealth, failing, healths
from chalicelib.api import parameters
from chalicelib.api.query import Query
from chalicelib.api.routing import current_request, get
from chalicelib.store import registry

from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 80  # jobs on one page


@dataclass(frozen=True, slots=True)
class Line:
    """One job of the list."""

    of: JobHealth
    next_at: datetime | None
    schedule: str


Q = parameters.text("q", "Words of the id, the description or the tags.")
TAG = parameters.text("tag", "Only jobs with this tag.")
PROJECT = parameters.text("project", "Only jobs of this project.")
STATE = parameters.among("state", "Only jobs of this health.", Health)
AFTER = parameters.text("after", "The last job of the page before.")


@get(blueprint, "/ui/jobs", query=(*SAID, Q, TAG, PROJECT, STATE, AFTER))
def jobs() -> Response:
    """List the jobs, what is not well first."""
    current = current_request()
    asked, sauron = current.query, current.sauron
    q, tag, project, states = Q.of(asked), TAG.of(asked), PROJECT.of(asked), STATE.of(asked)
    now = sauron.clock.now()
    with sauron.store.read() as tx:
        everything = sorted(healths(tx, registry.all_jobs(tx), now=now), key=lambda one: one.job.spec.builtin)
        red = failing(tx)
    matching = [one for one in everything if _matches(one, q, tag, project)]
    found = [one for one in matching if not states or one.health in states]
    begin = _place_after(found, AFTER.of(asked))
    shown = found[begin : begin + SHOWN]
    return page(
        "jobs.html",
        here="jobs",
        failing=red,
        total=len(everything),
        tabs=[(one, count) for one in Health if (count := sum(x.health is one for x in matching))],
        matching=len(matching),
        chosen=states[0] if len(states) == 1 else None,
        kept={name: text for name in ("q", "tag", "project") if (text := ",".join(asked.texts(name)))},
        tags=sorted({tag for one in everything for tag in one.job.spec.tags}),
        projects=sorted({one.job.spec.project for one in everything if one.job.spec.project}),
        lines=[_line(one, now) for one in shown],
        following=_following(asked, shown) if begin + SHOWN < len(found) else None,
    )


def _matches(one: JobHealth, q: str | None, tag: str | None, project: str | None) -> bool:
    spec = one.job.spec
    text = f"{spec.id} {spec.description} {' '.join(spec.tags)}".lower()
    return (
        (q is None or all(word in text for word in q.lower().split()))
        and (tag is None or tag in spec.tags)
        and project in {None, spec.project}
    )


def _place_after(found: list[JobHealth], after: str | None) -> int:
    """Return where the page after a job begins: the first page if that job is not in the list any more."""
    return next((place + 1 for place, one in enumerate(found) if one.job.id == after), 0)


def _following(asked: Query, shown: list[JobHealth]) -> str:
    kept = {name: ",".join(asked.texts(name)) for name in ("q", "tag", "project", "state")}
    return urlencode({name: value for name, value in kept.items() if value} | {"after": shown[-1].job.id})


def _line(one: JobHealth, now: datetime) -> Line:
    fires = one.job.next_fires(now=now, count=1)
    spec = one.job.spec
    return Line(one, fires[0] if fires else None, spec.schedule_text)
