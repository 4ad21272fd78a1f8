"""/audit-log: who did what, through which door, and why."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.clock import iso
from chalicelib.model.acts import Door, Outcome
from chalicelib.store import audit_log
from chalicelib.store.audit_log import Entry

from . import serializers
from .query import Query
from .routing import current_request, get

blueprint = Blueprint(__name__)


@get(blueprint, "/audit-log")
def entries() -> dict[str, Any]:
    """List the acts of people and programs, newest first."""
    current = current_request()
    query = Query(current.request, "who", "door", "act", "subject", "outcome", "since", "limit", "after")
    limit = query.whole("limit", low=1, high=1000, default=50)
    with current.sauron.store.read() as tx:
        found = audit_log.entries(
            tx,
            who=query.text("who"),
            doors=query.among("door", Door),
            acts=query.texts("act"),
            subject=query.text("subject"),
            outcomes=query.among("outcome", Outcome),
            since=query.instant("since"),
            limit=limit + 1,
            after=query.whole("after", low=1, high=2**62, default=0) or None,
        )
    shown = found[:limit]
    more = len(found) > limit
    return serializers.page_of(
        "entries", [_json(one) for one in shown], next_after=str(shown[-1].id) if more else None
    )


def _json(entry: Entry) -> dict[str, Any]:
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
    }
