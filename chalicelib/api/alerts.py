"""/alerts: what is wrong now, what people are still to be told, and a test of the ways to them."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.alerting.messages import NO_CHANNEL, channels
from chalicelib.clock import iso
from chalicelib.store import alerts as owed
from chalicelib.store import incidents
from chalicelib.store.incidents import Incident

from .routing import current_request, get, post
from .serializers import when

blueprint = Blueprint(__name__)

SHOWN = 1000


@get(blueprint, "/alerts")
def alerts() -> dict[str, Any]:
    """Return the open incidents, how many alerts wait to be delivered, and why the next of them was not."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = incidents.open_incidents(tx, most=SHOWN)
        waiting, error = owed.waiting(tx), owed.last_error(tx)
    return {
        "open": [_incident(one) for one in found],
        "count": len(found),
        "waiting": waiting,
        "last_error": None if error is None else sauron.settings.masked(error),
        "channels": list(channels(sauron.settings)),
    }


@post(blueprint, "/alerts/test")
def test() -> dict[str, Any]:
    """Send a test alert through every channel now. One that did not take it is answered with 200 and the reason."""
    said = current_request().sauron.delivery.test()
    failed = [one["channel"] for one in said if not one["ok"]]
    message = f"The test did not get through: {', '.join(failed)}." if failed else "The test was sent."
    return {
        "success": bool(said) and not failed,
        "message": message if said else NO_CHANNEL,
        "channels": said,
    }


def _incident(one: Incident) -> dict[str, Any]:
    return {
        "id": one.id,
        "subject": one.subject,
        "kind": one.kind,
        "job_id": one.job_id,
        "run_id": one.run_id,
        "reason": one.reason,
        "since": iso(one.since),
        "told_at": when(one.told_at),
    }
