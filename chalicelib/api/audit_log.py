"""/audit-log: who did what, from where, why, and what came of it."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.answers.act_effects import ActEffect, effects
from chalicelib.clock import iso
from chalicelib.model.acts import Door, Outcome
from chalicelib.store import audit_log
from chalicelib.store.audit_log import Entry

from . import parameters, serializers
from .routing import current_request, get

blueprint = Blueprint(__name__)


WHO = parameters.text("who", "Only acts of this token; `local` is the command line of this machine.")
DOOR = parameters.among("door", "Only acts through one of these doors.", Door)
ACT = parameters.texts("act", "Only these acts, such as `trigger`.")
SUBJECT = parameters.text("subject", "Only acts on this job, run, revision or runner.")
OUTCOME = parameters.among("outcome", "Only what was done, or what was refused.", Outcome)
SINCE = parameters.instant("since", "Only acts at this instant or later.")
LIMIT = parameters.whole("limit", "At most so many acts.", low=1, high=1000, default=50)
AFTER = parameters.whole("after", "The `next_after` of the page before.", low=1, high=2**62, default=0)


@get(
    blueprint,
    "/audit-log",
    query=(WHO, DOOR, ACT, SUBJECT, OUTCOME, SINCE, LIMIT, AFTER),
    returns="AuditLogPage",
)
def entries() -> dict[str, Any]:
    """List the acts of people and programs, newest first, and what came of each as it stands now."""
    current = current_request()
    query = current.query
    limit = LIMIT.of(query)
    with current.sauron.store.read() as tx:
        found = audit_log.entries(
            tx,
            who=WHO.of(query),
            doors=DOOR.of(query),
            acts=ACT.of(query),
            subject=SUBJECT.of(query),
            outcomes=OUTCOME.of(query),
            since=SINCE.of(query),
            limit=limit + 1,
            after=AFTER.of(query) or None,
        )
        shown = found[:limit]
        came = effects(tx, shown, now=current.sauron.clock.now())
    more = len(found) > limit
    items = [_json(one, came.get(one.id)) for one in shown]
    return serializers.page_of("entries", items, next_after=str(shown[-1].id) if more else None)


def _json(entry: Entry, effect: ActEffect | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "who": entry.who,
        "door": entry.door,
        "act": entry.act,
        "subject": entry.subject,
        "reason": entry.reason,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "address": entry.address,
        "effect": effect
        and {
            "text": effect.text,
            "run_id": effect.run_id,
            "run_state": effect.mark if effect.run_id else None,
            "revision": effect.revision,
        },
    }
