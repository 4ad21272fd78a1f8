"""Which requests are acts, and what the audit log is told of them.

Every POST is an act but those of `NOT_ACTS`, so that a forgotten line records too much instead of too little.
What is refused after its sender is known is recorded as well, with the reason; a wrong token names nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import unquote

from chalice.app import Request, Response

from chalicelib.model.acts import Door
from chalicelib.operations import acts
from chalicelib.wiring import PROCESS

from .auth import DOORS, Caller, is_page

# They change nothing, or record each of their acts themselves.
NOT_ACTS = frozenset({"/plan", "/mcp", "/hooks/git", "/ui/jobs", *DOORS})
# Acts whose path names no subject, and the subject they have unless the body names one.
_SUBJECTS = {
    "sync": "bundle",
    "rollback": "bundle",
    "test": "alerts",
    "pause": "everything",
    "unpause": "everything",
}
_NAMES = {"test": "test_alerts"}


def acted(request: Request, caller: Caller, handle: Callable[[], Response]) -> Response:
    """Return the response of `handle`, with what it did or refused in the audit log."""
    pattern = str(request.path)
    if request.method in {"GET", "HEAD"} or pattern in NOT_ACTS:
        return handle()
    log = PROCESS.get().audit_log
    who = acts.LOCAL if caller.local else caller.name
    last = pattern.rpartition("/")[2]
    captured = " ".join(unquote(value) for value in (request.uri_params or {}).values())
    subject = captured or _SUBJECTS.get(last, last)
    act = log.begin(who, _door(pattern, caller), _NAMES.get(last, last), subject, address=caller.address)
    with log.recording(act):
        response = handle()
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            acts.refuse(_detail(response))
    return response


@contextmanager
def one_of_many(caller: Caller, name: str, subject: str, reason: str | None) -> Iterator[None]:
    """Carry out one of several acts of a form of the page in this block: each is recorded by itself."""
    log = PROCESS.get().audit_log
    who, door = (acts.LOCAL, Door.CLI) if caller.local else (caller.name, Door.PAGE)
    with log.recording(log.begin(who, door, name, subject, reason=reason, address=caller.address)):
        yield


def _door(pattern: str, caller: Caller) -> Door:
    if caller.local:
        return Door.CLI
    return Door.PAGE if is_page(pattern) else Door.HTTP


def _detail(response: Response) -> str:
    """Return a problem's own sentence."""
    try:
        return str(json.loads(response.body)["detail"])
    except (ValueError, TypeError, KeyError):
        return HTTPStatus(response.status_code).phrase
