"""What every page has: the state of all, the host, the time, and the message about what was just done.

A code in the address says which message the page shows; text from the address is never shown.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from chalice.app import Response

from chalicelib.api import parameters
from chalicelib.api.auth import what_may
from chalicelib.api.query import RUN_ID, Query
from chalicelib.api.refreshed_pages import form_key
from chalicelib.api.routing import current_request
from chalicelib.model.runs import Run
from chalicelib.store import history
from chalicelib.web.rendering import render, script
from chalicelib.web.zoned import UTC

from .zone import TZ, page_zone

MESSAGES = {
    "triggered": "The run was queued.",
    "again": "This form was sent before, and nothing was queued twice. To run the job again, send it anew.",
    "enabled": "The job is switched on.",
    "disabled": "The job is switched off. Runs in progress go on.",
    "cancelled": "The run is being cancelled.",
    "retried": "This is a new run with the same params.",
    "synced": "The bundle is synced.",
    "unsynced": "The sync failed. The reason stands below.",
    "rolled_back": "The earlier revision is in force, and the bundle is pinned to it.",
    "not_rolled_back": "Going back failed, and nothing was changed. Sauron's log has the reason.",
    "all_triggered": "A run of each of them was queued.",
    "all_enabled": "All of them are switched on.",
    "all_disabled": "All of them are switched off. Runs in progress go on.",
    "signed-out": "You are signed out.",
    "unpaused": "Runs start again.",
}


DID = parameters.text("did", "Which message to show.")
RUN = parameters.text("run", "The run that the message is about.")
SAID = (DID, RUN)  # what every page takes
_SAID = {one.name for one in SAID}


def page(
    template: str, *, here: str, zone: ZoneInfo | None = None, status: int = 200, **values: Any
) -> Response:
    """Return a page; `here` names it in the navigation.

    Its times are in `zone`, by default in that of the address.
    """
    current = current_request()
    sent: Any = current.request.query_params or {}
    asked = Query(current.request, *sent)
    message = MESSAGES.get(DID.of(asked) or "")
    text, headers = render(
        template,
        mount=current.mount,
        zone=zone or page_zone(),
        view=[(name, one) for name in sent if name not in {TZ, *_SAID} for one in sent.getlist(name)],
        form_key=form_key(current.request),
        here=here,
        live=current.request.method != "POST",
        script=script().digest,
        host=socket.gethostname(),
        now=current.sauron.clock.now(),
        message=message,
        may=what_may(current.caller, current.mount),
        who=current.caller,
        message_run=_run(RUN.of(asked)) if message else None,
        **values,
    )
    return Response(body=text, headers=headers, status_code=status)


def _run(run_id: str | None) -> Run | None:
    if run_id is None or RUN_ID.fullmatch(run_id) is None:
        return None
    with current_request().sauron.store.read() as tx:
        return history.run(tx, run_id)


def back(path: str, did: str, *, run: str | None = None, zone: ZoneInfo | None = None) -> Response:
    """Lead the browser back to a page in its zone, with the code of a message."""
    about = f"&run={run}" if run else ""
    shown_in = zone or page_zone()
    if shown_in.key != UTC.key:
        about += f"&{urlencode({TZ: shown_in.key}, safe='/')}"
    headers: dict[str, str | list[str]] = {
        "Location": f"{current_request().mount}{path}?did={did}{about}",
        "Content-Type": "text/plain; charset=utf-8",
    }
    return Response(body="", headers=headers, status_code=303)
