"""Authentication and authorization: who sends a request, and what they may do.

A token has one scope, and a scope includes those before it: read < trigger < operate < admin. Without any
configured token the API is open, because it is on a private network; on AWS it then answers 401 to everything
but `/health`. Every token is compared, in constant time, and no response or log repeats a credential.

A browser signs in at `/ui/sign-in` with a token and gets a cookie (`session_cookie`); pages take HTTP Basic
too (any name, a token as the password). Both count for pages alone; the API itself takes bearer tokens only.
An Authorization header decides alone: beside one no cookie counts.

A network that sends many wrong tokens gets 429 for further ones; a right token is always let in.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chalice.app import Request
from sqlalchemy.exc import SQLAlchemyError

from chalicelib.errors import SauronError
from chalicelib.settings import Settings
from chalicelib.settings_readers import SCOPES, Token
from chalicelib.store import sessions
from chalicelib.wiring import PROCESS

from . import session_cookie
from .client_network import client_address, client_network
from .page_addresses import SIGN_IN, SIGN_OUT, mount, over_https, sign_in_address
from .problems import ProblemError

# The scope of each POST route; one that is not listed needs `admin`, so that a forgotten line closes a route
# instead of opening it. GET and HEAD need `read` but for those below.
SCOPE_OF_ROUTE = {
    "/jobs/{job_id}/trigger": "trigger",
    "/jobs/{job_id}/enable": "operate",
    "/jobs/{job_id}/disable": "operate",
    "/runs/{run_id}/cancel": "operate",
    "/runs/{run_id}/retry": "operate",
    "/plan": "read",
    "/sync": "operate",
    "/pause": "operate",
    "/unpause": "operate",
    "/rollback": "operate",
    "/alerts/test": "operate",
    "/runners/{name}/drain": "operate",
    "/runners/{name}/resume": "operate",
    "/hooks/git": "read",
    "/mcp": "read",  # each tool needs a scope of its own
    "/ui/jobs/{job_id}/trigger": "trigger",
    "/ui/jobs/{job_id}/enable": "operate",
    "/ui/jobs/{job_id}/disable": "operate",
    "/ui/runs/{run_id}/cancel": "operate",
    "/ui/runs/{run_id}/retry": "operate",
    "/ui/sync": "operate",
    "/ui/rollback": "operate",
    "/ui/jobs": "trigger",  # several jobs at once: each act needs the scope that it needs alone
    "/ui/unpause": "operate",
    SIGN_IN: "read",
    SIGN_OUT: "read",
}
# The settings name folders of the machine and people's addresses, and the doctor names what is weak: that is
# for whoever mends it, not for every screen on a wall.
SCOPE_OF_PAGE = {"/ui/settings": "operate"}
# Routes that a browser needs to sign in and out: they are asked by known and unknown senders alike.
DOORS = frozenset({SIGN_IN, SIGN_OUT})
# Routes without a token; `/hooks/git` verifies a signature of its own.
PUBLIC = frozenset({"/health", "/openapi.json", "/hooks/git"})
REALM = 'realm="Sauron"'


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: the name of the token (None while the API is open) and its scope.

    `local`: this machine's command line, whose name is its user's. `by_cookie`: a browser that signed in.
    `address`: where the request came from over the network.
    """

    name: str | None
    scope: str
    local: bool = False
    by_cookie: bool = False
    address: str | None = field(default=None, compare=False)

    def may(self, scope: str) -> bool:
        """Return whether the caller's scope includes this one."""
        return self.scope in SCOPES and SCOPES.index(self.scope) >= SCOPES.index(scope)


EVERYONE = Caller(None, "read")
NOBODY = Caller(None, "")  # has shown nothing yet; may do nothing


@functools.cache
def internal_token() -> str:
    """Return the token with which this process calls itself: random, never stored, never sent elsewhere."""
    return secrets.token_urlsafe(32)


def is_public(request: Request) -> bool:
    """Return whether a request needs no token."""
    return str(request.path) in PUBLIC


def is_page(pattern: str) -> bool:
    """Return whether a route is for browsers."""
    return pattern == "/" or pattern.startswith("/ui/")


def is_open(settings: Settings) -> bool:
    """Return whether the API is open: no token is configured, and this is not AWS."""
    return not settings.api_tokens and settings.function is None


def is_browser(request: Request) -> bool:
    """Return whether a request is a browser's, or wants a page as one does."""
    headers = request.headers
    return "text/html" in headers.get("accept", "") or "sec-fetch-mode" in headers


def scope_needed(method: str, pattern: str) -> str:
    """Return the scope that a route needs."""
    if method in {"GET", "HEAD"}:
        return SCOPE_OF_PAGE.get(pattern, "read")
    return SCOPE_OF_ROUTE.get(pattern, "admin")


def what_may(caller: Caller, mount: str) -> Callable[[str, str], bool]:
    """Return whether a caller may send a request, by its path (with what is mounted before it) and method."""

    def may(path: str, method: str) -> bool:
        own = path.removeprefix(mount).partition("?")[0]
        pattern = next((one for one, form in _forms().items() if form.fullmatch(own)), own)
        return caller.may(scope_needed(method, pattern))

    return may


@functools.cache
def _forms() -> dict[str, re.Pattern[str]]:
    return {one: re.compile(re.sub(r"\{\w+\}", "[^/]+", one)) for one in SCOPE_OF_ROUTE}


def require_scope(request: Request, caller: Caller) -> None:
    """Raise ProblemError 403 if a route needs a higher scope than the caller's."""
    scope = scope_needed(request.method, str(request.path))
    if not caller.may(scope):
        raise ProblemError(
            403,
            f"This needs a token of scope {scope!r}; yours has {caller.scope!r} ({' < '.join(SCOPES)}).",
            needed=scope,
        )


def identify(request: Request, settings: Settings) -> Caller:
    """Return who sends a request.

    Raises ProblemError: 401 for an unknown one, 429 for one of many wrong tokens.
    """
    caller = _identified(request, settings)
    return caller if caller.local else replace(caller, address=client_address(request))


def _identified(request: Request, settings: Settings) -> Caller:
    scheme, sent = _credential(request)
    if scheme == "bearer" and hmac.compare_digest(sent, internal_token().encode()):
        by = request.headers.get("x-sauron-by", "")
        return Caller(by if re.fullmatch(r"[A-Za-z0-9_.@-]{1,64}", by) else "cli", "admin", local=True)
    if is_open(settings):
        return Caller(None, "admin")
    page = is_page(str(request.path))
    tokens: tuple[Token, ...] = settings.api_tokens or ()
    if scheme == "bearer" or (scheme == "basic" and page):
        known = [token for token in tokens if hmac.compare_digest(sent, token.value.encode())]
        if known:
            return Caller(known[0].name, known[0].scope)
    cookies = request.headers.get("cookie", "") if page and not scheme else ""
    shown = session_cookie.judge(cookies, tokens, PROCESS.clock.now(), ended=_is_ended)
    if shown.token:
        return Caller(shown.token.name, shown.token.scope, by_cookie=True)
    if scheme or shown.forged:
        refuse_many(request)
    if tokens and str(request.path) in DOORS:
        return NOBODY
    raise _unknown(request, scheme, shown, settings)


def _is_ended(cookie: str) -> bool:
    """Return whether a cookie was signed out. While the store cannot be read, nothing can be seen or done."""
    try:
        with PROCESS.get().store.read() as tx:
            return sessions.is_ended(tx, cookie)
    except (SauronError, SQLAlchemyError):
        return False


def _unknown(
    request: Request, scheme: str, shown: session_cookie.Verdict, settings: Settings
) -> ProblemError:
    """Return the refusal of an unknown sender; a browser that asks for a page is led to where it signs in."""
    page = is_page(str(request.path))
    browser = page and not scheme and (is_browser(request) or shown.sent)
    headers = {}
    if not settings.api_tokens:
        detail = "No API tokens are configured. On AWS only /health is open; set SAURON_API_TOKENS."
    elif browser:
        detail = "You are not signed in, or not any more. Nothing was done. Sign in, go back, send it again."
        if shown.sent:
            secure = over_https(request, settings)
            headers = {"Set-Cookie": session_cookie.taken(path=mount(request), secure=secure)}
        if request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", ""):
            return ProblemError(303, detail, headers=headers | {"Location": sign_in_address(request)})
    elif not scheme:
        detail = "A token is needed: send 'Authorization: Bearer <token>', one of those in SAURON_API_TOKENS."
    else:
        detail = "The token is not one of those in SAURON_API_TOKENS. Send 'Authorization: Bearer <token>'."
    # a browser that is asked for Basic opens a window of its own, over the page
    challenge = f'Basic {REALM}, charset="UTF-8"' if page and not browser else f"Bearer {REALM}"
    return ProblemError(401, detail, headers=headers | {"WWW-Authenticate": challenge})


def refuse_many(request: Request) -> None:
    """Count a wrong token or signature. Raises ProblemError 429 if its network has sent too many."""
    wait = PROCESS.wrong_tokens.note(client_network(client_address(request) or ""))
    if wait is not None:
        raise ProblemError(
            429,
            f"Too many wrong tokens came from your address. Try again in {wait} seconds, with one of "
            "SAURON_API_TOKENS or, at /hooks/git, the secret of SAURON_GIT_WEBHOOK_SECRET; a right one is "
            "let in at once.",
            headers={"Retry-After": str(wait)},
        )


def _credential(request: Request) -> tuple[str, bytes]:
    """Return the scheme in lower case and the token; the token of an unreadable header is empty."""
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    value = rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            _, _, value = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            value = b""
    return scheme.lower(), value
