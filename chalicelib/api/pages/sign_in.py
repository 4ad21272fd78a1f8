"""Signing in with a token, and out: the doors of the pages.

Everyone may ask for them. A right token gives the browser one cookie (`session_cookie`) that counts for pages
alone; a wrong one is counted as everywhere else, and leads back to the form. Both stand in the audit log.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus

from chalice.app import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.api import parameters, session_cookie
from chalicelib.api.auth import is_open, refuse_many, what_may
from chalicelib.api.origins import public_origin, read_origin
from chalicelib.api.page_addresses import SIGN_IN, SIGN_OUT, over_https, page_of_ours
from chalicelib.api.routing import CurrentRequest, current_request, get, post
from chalicelib.errors import SauronError
from chalicelib.model.acts import Door
from chalicelib.operations import acts
from chalicelib.settings import Settings
from chalicelib.settings_readers import Token
from chalicelib.store import sessions
from chalicelib.web.rendering import render
from chalicelib.wiring import PROCESS

from .form import Form
from .frame import DID, MESSAGES

log = logs.get(__name__)
blueprint = Blueprint(__name__)

NEXT = parameters.text("next", "The page to show afterwards.")
MOST = 10_000  # characters of a token
SUBJECT = "pages"


@get(blueprint, SIGN_IN, query=(NEXT, DID), damaged_too=True)
def sign_in_form() -> Response:
    """Show the form.

    A browser that was led here from another site, as by a link in a mail, has held its cookie back. So it
    asks once more by itself, from here, and sees the page if it is signed in.
    """
    current = current_request()
    led_here = current.request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    asked = NEXT.of(current.query)
    message = MESSAGES.get(DID.of(current.query) or "")
    return _form(current, page_of_ours(asked), again=led_here and asked is not None, message=message)


@post(blueprint, SIGN_IN, damaged_too=True)
def sign_in() -> Response:
    """Take a token; give the browser its cookie and lead it to the page that it wanted."""
    current = current_request()
    settings = PROCESS.settings()
    form = Form(current.request, "token", "next")
    following = page_of_ours(form.text("next", most=MOST))
    if is_open(settings):
        return _led(current, following)
    sent = form.text("token", most=MOST)
    if sent is None:
        return _form(current, following, status=422, refused="Field 'token': write the token.")
    token = _known(sent, settings)
    audit, address = current.sauron.audit_log, current.caller.address
    if token is None:
        refuse_many(current.request)
        with audit.recording(audit.begin(None, Door.PAGE, "sign_in", SUBJECT, address=address)):
            acts.refuse("a wrong token")
        wrong = "Field 'token': it is not one of those in SAURON_API_TOKENS."
        return _form(current, following, status=401, refused=wrong)
    with audit.recording(audit.begin(token.name, Door.PAGE, "sign_in", SUBJECT, address=address)):
        value = session_cookie.value(token, PROCESS.clock.now())
    secure = over_https(current.request, settings)
    return _led(current, following, cookie=session_cookie.given(value, path=current.mount, secure=secure))


@post(blueprint, SIGN_OUT, damaged_too=True)
def sign_out() -> Response:
    """End the session, so that a copy of its cookie counts no more; remove the cookie; lead to the form."""
    current = current_request()
    settings = PROCESS.settings()
    caller, audit = current.caller, current.sauron.audit_log
    if caller.by_cookie:
        act = audit.begin(caller.name, Door.PAGE, "sign_out", SUBJECT, address=caller.address)
        with audit.recording(act):
            _end_session(current, settings)
    secure = over_https(current.request, settings)
    removed = session_cookie.taken(path=current.mount, secure=secure)
    return _led(current, f"{SIGN_IN}?did=signed-out", cookie=removed)


def _end_session(current: CurrentRequest, settings: Settings) -> None:
    cookies = current.request.headers.get("cookie", "")
    shown = session_cookie.judge(cookies, settings.api_tokens or (), PROCESS.clock.now())
    if shown.end is None:
        return
    try:
        with current.sauron.store.write() as tx:
            sessions.end(tx, shown.value, until=shown.end)
    except (SauronError, SQLAlchemyError):  # the browser forgets its cookie all the same
        log.exception("session.end_failed", who=current.caller.name)


def _known(sent: str, settings: Settings) -> Token | None:
    """Return the token that was sent. Every one is compared, in constant time."""
    shown = sent.encode()
    found = [one for one in settings.api_tokens or () if hmac.compare_digest(shown, one.value.encode())]
    return found[0] if found else None


def _form(
    current: CurrentRequest,
    following: str,
    *,
    status: int = 200,
    refused: str | None = None,
    again: bool = False,
    message: str | None = None,
) -> Response:
    settings = PROCESS.settings()
    text, headers = render(
        "sign-in.html",
        mount=current.mount,
        may=what_may(current.caller, current.mount),
        who=current.caller,
        next=following,
        open=is_open(settings),
        refused=refused,
        came_from_elsewhere=again and not current.caller.by_cookie,
        elsewhere=_elsewhere(current, settings),
        days=session_cookie.LASTS.days,
        message=message,
    )
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="Sauron"'  # Basic would open a window over the form
    return Response(body=text, headers=headers, status_code=status)


def _elsewhere(current: CurrentRequest, settings: Settings) -> str | None:
    """Return the public https address if the browser asked another host: there it may drop the cookie."""
    own = public_origin(settings)
    host = read_origin(f"https://{current.request.headers.get('host', '').strip()}")
    away = own is not None and own.scheme == "https" and host is not None and host.host != own.host
    return settings.base_link if away and settings.function is None else None


def _led(current: CurrentRequest, path: str, *, cookie: str | None = None) -> Response:
    headers: dict[str, str | list[str]] = {
        "Location": f"{current.mount}{path}",
        "Content-Type": "text/plain; charset=utf-8",
    }
    if cookie:
        headers["Set-Cookie"] = cookie
    return Response(body="", headers=headers, status_code=303)
