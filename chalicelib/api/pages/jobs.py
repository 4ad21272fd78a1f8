"""The list of jobs: found by text, tag, project and state, in a chosen order; the address holds it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.consequences import stopped
from chalicelib.answers.job_health import Health, JobHealth, failing, families, healths, with_last_runs
from chalicelib.answers.pace import Pace, paces
from chalicelib.api import parameters
from chalicelib.api.query import Query
from chalicelib.api.routing import current_request, get
from chalicelib.model.jobs import JobSpec, in_words
from chalicelib.model.runs import BAD, GOOD, JobId, RunState
from chalicelib.store import registry, run_days
from chalicelib.store.database import Tx
from chalicelib.web.charts import trend

from . import needs_you
from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 50  # jobs on one page
MONTH = timedelta(days=30)
NEVER_RAN = 2.0  # beyond every share


class Sort(StrEnum):
    """In which order the jobs stand."""

    HEALTH = "health"
    NAME = "name"
    NEXT = "next"
    RATE = "rate"


SORTS = {
    Sort.HEALTH: "Not well first",
    Sort.NAME: "By name",
    Sort.NEXT: "Next first",
    Sort.RATE: "Least good runs first",
}
KEPT = ("q", "tag", "project", "sort")


@dataclass(frozen=True, slots=True)
class Line:
    """One job of the list, `depth` steps below one without a parent.

    `stopped_by` is the parent because of which its newest occurrence did not run, `good` the share of good
    runs in percent, `late` how late it is in words.
    """

    of: JobHealth
    depth: int
    stopped_by: str | None
    next_at: datetime | None
    schedule: str
    good: int | None
    pace: Pace
    trend: str
    late: str


Q = parameters.text("q", "Words of the id, the description or the tags.")
TAG = parameters.text("tag", "Only jobs with this tag.")
PROJECT = parameters.text("project", "Only jobs of this project.")
STATE = parameters.among("state", "Only jobs of this health.", Health)
SORT = parameters.among("sort", "The order; `rate` puts the least share of good runs in 30 days first.", Sort)
AFTER = parameters.text("after", "The last job of the page before.")


@get(blueprint, "/ui/jobs", query=(*SAID, Q, TAG, PROJECT, STATE, SORT, AFTER))
def jobs() -> Response:
    """List the jobs, what is not well first."""
    current = current_request()
    asked, sauron = current.query, current.sauron
    q, tag, project, states = Q.of(asked), TAG.of(asked), PROJECT.of(asked), STATE.of(asked)
    sort = next(iter(SORT.of(asked)), Sort.HEALTH)
    now = sauron.clock.now()
    with sauron.store.read() as tx:
        everything = sorted(healths(tx, registry.all_jobs(tx), now=now), key=lambda one: one.job.spec.builtin)
        red = failing(tx)
        matching = [one for one in everything if matches(one.job.spec, q, tag, project)]
        found = _sorted(tx, [one for one in matching if not states or one.health in states], sort, now)
        ordered = families(found) if sort is Sort.HEALTH else [(one, 0) for one in found]
        found, depths = [one for one, _ in ordered], {one.job.id: depth for one, depth in ordered}
        begin = _place_after(found, AFTER.of(asked))
        shown = with_last_runs(tx, found[begin : begin + SHOWN])
        lines = _lines(tx, shown, depths, now)
    return page(
        "jobs.html",
        here="jobs",
        failing=red,
        total=len(everything),
        tabs=[(one, count) for one in Health if (count := sum(x.health is one for x in matching))],
        matching=len(matching),
        chosen=states[0] if len(states) == 1 else None,
        kept=asked.kept(KEPT),
        tags=sorted({tag for one in everything for tag in one.job.spec.tags}),
        projects=sorted({one.job.spec.project for one in everything if one.job.spec.project}),
        sorts=SORTS,
        sort=sort,
        lines=lines,
        following=_following(asked, shown) if begin + SHOWN < len(found) else None,
    )


def matches(spec: JobSpec, q: str | None, tag: str | None, project: str | None) -> bool:
    """Return whether a job has these words in its id, description or tags, this tag and this project."""
    text = f"{spec.id} {spec.description} {' '.join(spec.tags)}".lower()
    return (
        (q is None or all(word in text for word in q.lower().split()))
        and (tag is None or tag in spec.tags)
        and project in {None, spec.project}
    )


def _sorted(tx: Tx, found: list[JobHealth], sort: Sort, now: datetime) -> list[JobHealth]:
    """Return the jobs in another order than the one they came in; equal ones stay as they were."""
    far = now.replace(year=9999)
    if sort is Sort.NAME:
        return sorted(found, key=lambda one: one.job.id)
    if sort is Sort.NEXT:
        return sorted(found, key=lambda one: one.job.next_fire_at or far)
    if sort is Sort.RATE:
        rates = run_days.good_shares(tx, since=(now - MONTH).date())
        return sorted(found, key=lambda one: rates.get(one.job.id, NEVER_RAN))
    return found


def good_share(counted: Counter[RunState]) -> float | None:
    """Return the share of good runs among those that ran, None if none did."""
    good = sum(counted[state] for state in GOOD)
    judged = good + sum(counted[state] for state in BAD)
    return good / judged if judged else None


def _place_after(found: list[JobHealth], after: str | None) -> int:
    """Return where the page after a job begins: the first page if that job is not in the list any more."""
    return next((place + 1 for place, one in enumerate(found) if one.job.id == after), 0)


def _following(asked: Query, shown: list[JobHealth]) -> str:
    return urlencode(asked.kept((*KEPT, "state")) | {"after": shown[-1].job.id})


def _lines(tx: Tx, shown: list[JobHealth], depths: Mapping[JobId, int], now: datetime) -> list[Line]:
    ids = [one.job.id for one in shown]
    counted = run_days.counts(tx, ids, since=(now - MONTH).date())
    pace_of = paces(tx, ids)
    kept_back = stopped(tx, [one.job for one in shown])
    lines = []
    for one in shown:
        job, share = one.job, good_share(counted[one.job.id])
        late = one.incidents.get(Health.LATE) if one.health is Health.LATE else None
        lines.append(
            Line(
                of=one,
                depth=depths[job.id],
                stopped_by=kept_back.get(job.id),
                next_at=next(iter(job.next_fires(now=now, count=1)), None),
                schedule=in_words(job.spec.cron_text, job.spec.after),
                good=None if share is None else int(share * 100),  # 99.9 % is not all
                pace=pace_of[job.id],
                trend=trend(pace_of[job.id].trend),
                late=needs_you.late(late.since, now) if late else "",
            )
        )
    return lines
