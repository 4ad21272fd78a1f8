"""The audit log as a page: who did what, through which door, and why."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.api.audit_log import AFTER, DOOR, OUTCOME, SUBJECT, WHO
from chalicelib.api.routing import current_request, get
from chalicelib.model.acts import Door, Outcome
from chalicelib.store import audit_log

from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 50


@get(blueprint, "/ui/audit", query=(*SAID, WHO, DOOR, SUBJECT, OUTCOME, AFTER))
def audit() -> Response:
    """List acts, the newest first: all, or those of one sender, door, subject or outcome."""
    current = current_request()
    asked = current.query
    doors, outcomes = DOOR.of(asked), OUTCOME.of(asked)
    with current.sauron.store.read() as tx:
        found = audit_log.entries(
            tx,
            who=WHO.of(asked),
            doors=doors,
            subject=SUBJECT.of(asked),
            outcomes=outcomes,
            limit=SHOWN + 1,
            after=AFTER.of(asked) or None,
        )
        red = failing(tx)
    shown = found[:SHOWN]
    kept = {
        name: text for name in ("who", "door", "subject", "outcome") if (text := ",".join(asked.texts(name)))
    }
    return page(
        "audit.html",
        here="audit",
        failing=red,
        entries=shown,
        kept=kept,
        doors=list(Door),
        outcomes=list(Outcome),
        following=urlencode(kept | {"after": str(shown[-1].id)}) if len(found) > SHOWN else None,
    )
