"""The audit log as a page: who did what, from where, why, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.act_effects import ActEffect, effects
from chalicelib.answers.job_health import failing
from chalicelib.api import parameters
from chalicelib.api.audit_log import ACT, AFTER, DOOR, OUTCOME, SINCE, SUBJECT, WHO
from chalicelib.api.query import RUN_ID
from chalicelib.api.routing import current_request, get
from chalicelib.clock import iso
from chalicelib.model.acts import Door, Outcome
from chalicelib.store import audit_log, history
from chalicelib.store.audit_log import Entry
from chalicelib.web.zoned import Sentence

from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 50
LIMIT = parameters.whole("limit", "At most so many acts.", low=1, high=SHOWN, default=SHOWN)
SPANS = {"Last hour": timedelta(hours=1), "Last day": timedelta(days=1), "Last week": timedelta(days=7)}
_OF_JOBS = {"trigger", "enable", "disable"}


@get(blueprint, "/ui/audit", query=(*SAID, WHO, DOOR, ACT, SUBJECT, OUTCOME, SINCE, LIMIT, AFTER))
def audit() -> Response:
    """List acts, the newest first: all, or those of one sender, door, act, subject, outcome or time."""
    current = current_request()
    asked = current.query
    limit, since, after = LIMIT.of(asked), SINCE.of(asked), AFTER.of(asked) or None
    with current.sauron.store.read() as tx:
        found = audit_log.entries(
            tx,
            who=WHO.of(asked),
            doors=DOOR.of(asked),
            acts=[one.replace(" ", "_") for one in ACT.of(asked)],
            subject=SUBJECT.of(asked),
            outcomes=OUTCOME.of(asked),
            since=since,
            limit=limit + 1,
            after=after,
        )
        shown = found[:limit]
        red = failing(tx)
        jobs_of = history.jobs_of(tx, [one.subject for one in shown if RUN_ID.fullmatch(one.subject)])
        came = effects(tx, shown, now=current.sauron.clock.now())
    narrowed = asked.kept(("who", "door", "act", "subject", "outcome"))
    kept = (
        narrowed | ({"since": iso(since)} if since else {}) | ({"limit": str(limit)} if limit < SHOWN else {})
    )
    now = current.sauron.clock.now().replace(microsecond=0)
    return page(
        "audit.html",
        here="audit",
        failing=red,
        entries=[(one, _place(one), jobs_of.get(one.subject), _seen(came.get(one.id))) for one in shown],
        kept=kept,
        since=since,
        spans=[(name, urlencode(narrowed | {"since": iso(now - span)})) for name, span in SPANS.items()],
        any_time=urlencode(narrowed),
        newest=urlencode(kept) if after else None,
        doors=list(Door),
        outcomes=list(Outcome),
        following=urlencode(kept | {"after": str(shown[-1].id)}) if len(found) > limit else None,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of an act: the words, the mark of the state, and the page that shows more."""

    words: Sentence
    mark: str | None
    place: str | None


def _seen(effect: ActEffect | None) -> Seen | None:
    if effect is None:
        return None
    place = f"/ui/runs/{effect.run_id}" if effect.run_id else None
    place = f"/ui/bundle#r{effect.revision}" if effect.revision else place
    return Seen(Sentence(effect.form, effect.parts), effect.mark, place)


def _place(entry: Entry) -> str | None:
    """Return the page of an act's subject, without what is mounted before it; None if it has none."""
    if RUN_ID.fullmatch(entry.subject):
        return f"/ui/runs/{entry.subject}"
    return f"/ui/jobs/{quote(entry.subject, safe='')}" if entry.act in _OF_JOBS else None
