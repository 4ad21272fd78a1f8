"""/alerts: the open incidents, the alerts that wait for delivery, and a test of every channel."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.alerting.messages import NO_CHANNEL, channels
from chalicelib.operations import acts
from chalicelib.store import alerts as stored_alerts
from chalicelib.store import incidents

from . import serializers
from .routing import current_request, get, post

blueprint = Blueprint(__name__)

SHOWN = 1000


@get(blueprint, "/alerts", returns="Alerts")
def alerts() -> dict[str, Any]:
    """Return the open incidents, how many alerts wait for delivery, and the last error of delivery."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = incidents.open_incidents(tx, most=SHOWN)
        waiting, error = stored_alerts.waiting(tx), stored_alerts.last_error(tx)
    return {
        "open": [serializers.incident(one) for one in found],
        "count": len(found),
        "waiting": waiting,
        "last_error": None if error is None else sauron.settings.masked(error),
        "channels": list(channels(sauron.settings)),
    }


@post(blueprint, "/alerts/test", returns="AlertTest")
def test() -> dict[str, Any]:
    """Send a test alert through every channel now; a channel that fails is a 200 with the reason."""
    results = current_request().sauron.delivery.test()
    failed = [result["channel"] for result in results if not result["ok"]]
    message = f"The test alert was not delivered by {', '.join(failed)}." if failed else "The test was sent."
    if failed or not results:
        acts.refuse(message if results else NO_CHANNEL)
    return {
        "success": bool(results) and not failed,
        "message": message if results else NO_CHANNEL,
        "channels": results,
    }
