"""The middleware that every HTTP request passes, outermost first.

1. `complete_response`: the security headers are there, a HEAD has no body, an error on the page is a page,
   and what a client has already is 304.
2. `errors_as_problems`: an error becomes problem+json; the details of an unexpected one are logged only.
3. `admit_request`: the size of the body, the name it was sent to, the token, the site, the kind of content;
   then the request becomes the current one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from chalice.app import Request, Response

from chalicelib import logs
from chalicelib.errors import SauronError
from chalicelib.wiring import PROCESS

from . import problems
from .acting import acted
from .auth import DOORS, EVERYONE, NOBODY, Caller, identify, is_page, is_public, require_scope
from .content import most_bytes, refuse_unreadable
from .entity_tags import with_tag
from .origins import public_origin, refuse_other_sites
from .page_addresses import mount
from .problem_page import problem_page
from .problems import ProblemError
from .refreshed_pages import RefreshedPages
from .response_headers import missing_headers
from .routing import CurrentRequest, handled_as
from .served_hosts import refuse_foreign_name

_refreshed = RefreshedPages()

log = logs.get(__name__)

Next = Callable[[Request], Response]

# Who sends the request that this thread is handling, for the page that says what was wrong with it.
_caller: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def complete_response(request: Request, handle: Next) -> Response:
    """Give every response the headers and the form that its kind of caller needs."""
    unknown = _caller.set(NOBODY)
    try:
        response = handle(request)
        wants_page = is_page(str(request.path)) and "text/html" in request.headers.get("accept", "")
        is_problem = response.headers.get("Content-Type") == problems.CONTENT_TYPE
        if response.status_code >= HTTPStatus.BAD_REQUEST and is_problem and wants_page:
            response = _as_page(request, response)
    finally:
        _caller.reset(unknown)
    if not is_page(str(request.path)):
        response = with_tag(request, response)
    response.headers |= missing_headers(response.headers, https=_is_https())
    if request.method == "HEAD":
        response.body = ""
    return response


def errors_as_problems(request: Request, handle: Next) -> Response:
    """Turn every error, also those that Chalice itself answers, into a problem."""
    try:
        return _without_chalice_errors(handle(request))
    except SauronError as error:
        return problems.response_to(error)
    except Exception:
        log.exception("request.failed", path=request.path)
        return problems.response(HTTPStatus.INTERNAL_SERVER_ERROR, problems.INTERNAL)


def admit_request(request: Request, handle: Next) -> Response:
    """Let a request through to its handler. Raises ProblemError: 413, 415, 421, 401, 429, 403."""
    if len(request.raw_body or b"") > (most := most_bytes(str(request.path))):
        raise ProblemError(413, f"The body is larger than {most // 1024} KB. Send less.")
    caller = EVERYONE
    if not is_public(request):
        settings = PROCESS.settings()
        refuse_foreign_name(request, settings)
        caller = identify(request, settings)
        _caller.set(caller)
    return acted(request, caller, lambda: _admitted(request, caller, handle))


def _admitted(request: Request, caller: Caller, handle: Next) -> Response:
    if not is_public(request) and str(request.path) not in DOORS:
        require_scope(request, caller)
    if request.method not in {"GET", "HEAD"}:
        refuse_other_sites(request, PROCESS.settings())
    refuse_unreadable(request)
    with handled_as(CurrentRequest(request, caller)):
        return _refreshed.respond(request, caller, lambda: handle(request))


MIDDLEWARE = (complete_response, errors_as_problems, admit_request)


def _is_https() -> bool:
    """Return whether people reach this Sauron over https, as SAURON_PUBLIC_URL says.

    It is not known before the first request that needs more than the process: /health reads no settings.
    """
    own = public_origin(PROCESS.built.settings) if PROCESS.built else None
    return own is not None and own.scheme == "https"


def _without_chalice_errors(response: Response) -> Response:
    """Give our shape to the responses that Chalice makes for an error (405, 500)."""
    body: Any = response.body
    if not (isinstance(body, dict) and set(body) == {"Code", "Message"}):
        return response
    allow = {name: str(value) for name, value in response.headers.items() if name.lower() == "allow"}
    internal = response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    detail = problems.INTERNAL if internal else f"{body['Message']}."
    return problems.response(response.status_code, detail, headers=allow)


def _as_page(request: Request, response: Response) -> Response:
    kept = {
        name: value
        for name, value in response.headers.items()
        if name.lower() in {"allow", "retry-after", "set-cookie", "www-authenticate"}
    }
    said = json.loads(response.body)
    text, headers = problem_page(said, mount=mount(request), caller=_caller.get())
    return Response(body=text, headers={**headers, **kept}, status_code=response.status_code)
