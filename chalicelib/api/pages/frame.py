"""What every page has: the state of all, the host, the time, and the message about what was just done.

A code in the address says which message the page shows; text from the address is never shown.
"""

from __future__ import annotations

import socket
from typing import Any

from chalice.app import Response

from chalicelib.api import parameters
from chalicelib.api.auth import what_may
from chalicelib.api.query import RUN_ID
from chalicelib.api.routing import current_request
from chalicelib.web.rendering import render, script

MESSAGES = {
    "triggered": "The run is queued.",
    "enabled": "The job is enabled.",
    "disabled": "The job is disabled. Runs in progress go on.",
    "cancelled": "The run is being cancelled.",
    "retried": "A new run with the same params is queued.",
    "synced": "The bundle is synced.",
    "signed-out": "You are signed out.",
    "unsynced": "The sync failed. The overview shows the reason.",
}


DID = parameters.text("did", "Which message to show.")
RUN = parameters.text("run", "The run that the message is about.")
SAID = (DID, RUN)  # what every page takes


def page(template: str, *, here: str, **values: Any) -> Response:
    """Return a page; `here` names it in the navigation."""
    current = current_request()
    run = RUN.of(current.query)
    text, headers = render(
        template,
        mount=current.mount,
        may=what_may(current.caller, current.mount),
        who=current.caller,
        here=here,
        live=current.request.method != "POST",
        script=script().digest,
        host=socket.gethostname(),
        now=current.sauron.clock.now(),
        message=MESSAGES.get(DID.of(current.query) or ""),
        message_run=run if run and RUN_ID.fullmatch(run) else None,
        **values,
    )
    return Response(body=text, headers=headers)


def back(path: str, did: str, *, run: str | None = None) -> Response:
    """Lead the browser back to a page, with the code of a message."""
    about = f"&run={run}" if run else ""
    headers: dict[str, str | list[str]] = {
        "Location": f"{current_request().mount}{path}?did={did}{about}",
        "Content-Type": "text/plain; charset=utf-8",
    }
    return Response(body="", headers=headers, status_code=303)
