"""Authentication and authorization: who sends a request, and what they may do.

A token has one scope, and a scope includes those before it: read < trigger < operate < admin. Without any
configured token the API is open, because it is on a private network; on AWS it then answers 401 to everything
but `/health`. Every token is compared, in constant time, and no response or log repeats a credential.

Browsers sign in to the page by HTTP Basic (any name, a token as the password); the API itself takes bearer
tokens only.

A network that sends many wrong tokens gets 429 for further ones; a right token is always let in.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
import secrets
from dataclasses import dataclass

from chalice.app import Request

from chalicelib.settings import Settings
from chalicelib.settings_readers import SCOPES, Token
from chalicelib.wiring import PROCESS

from .client_network import client_network
from .problems import ProblemError

# The scope of each POST route. GET and HEAD need `read`; a POST that is not listed needs `admin`, so that a
# forgotten line closes a route instead of opening it.
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
    "/ui/unpause": "operate",
}
# Routes without a token; `/hooks/git` verifies a signature of its own.
PUBLIC = frozenset({"/health", "/openapi.json", "/hooks/git"})
REALM = 'realm="Sauron"'


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: the name of the token (None while the API is open) and its scope.

    `local`: this machine's command line, whose name is its user's.
    """

    name: str | None
    scope: str
    local: bool = False

    def may(self, scope: str) -> bool:
        """Return whether the caller's scope includes this one."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


EVERYONE = Caller(None, "read")


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


def scope_needed(method: str, pattern: str) -> str:
    """Return the scope that a route needs."""
    return "read" if method in {"GET", "HEAD"} else SCOPE_OF_ROUTE.get(pattern, "admin")


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
    if not tokens:
        detail = "No API tokens are configured. On AWS only /health is open; set SAURON_API_TOKENS."
    elif not scheme:
        detail = "A token is needed: send 'Authorization: Bearer <token>', one of those in SAURON_API_TOKENS."
    else:
        detail = "The token is not one of those in SAURON_API_TOKENS. Send 'Authorization: Bearer <token>'."
    if scheme:
        refuse_many(request)
    challenge = f'Basic {REALM}, charset="UTF-8"' if page else f"Bearer {REALM}"
    raise ProblemError(401, detail, headers={"WWW-Authenticate": challenge})


def refuse_many(request: Request) -> None:
    """Count a wrong token or signature. Raises ProblemError 429 if its network has sent too many."""
    identity = request.context.get("identity") or {}
    wait = PROCESS.wrong_tokens.note(client_network(str(identity.get("sourceIp", ""))))
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
