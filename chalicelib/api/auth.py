"""Who is asking, and what they may do.

Tokens have one scope each, and scopes include those before them: read < trigger < operate < admin. With no
token configured the API is open on a private network; on AWS, where there is none, it answers 401 to
everything but `/health`. Tokens are compared in constant time over all of them, and no answer or log repeats
what was sent.

Browsers sign in to the page by HTTP Basic (any name, a token as the password); the API itself takes bearer
tokens only.

Limit: there is no lock-out after wrong tokens; a token is at least 8 characters and is to be random.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalice.app import Request

from chalicelib.settings import Settings
from chalicelib.settings_readers import SCOPES, Token

from .problems import ProblemError

# What each route needs. GET (and HEAD) needs `read`; a POST that is not listed needs `admin`, so that
# forgetting a line closes a route instead of opening it.
NEEDED = {
    "/jobs/{job_id}/trigger": "trigger",
    "/jobs/{job_id}/enable": "operate",
    "/jobs/{job_id}/disable": "operate",
    "/runs/{run_id}/cancel": "operate",
    "/runs/{run_id}/retry": "operate",
    "/sync": "operate",
    "/rollback": "operate",
    "/alerts/test": "operate",
    "/runners/{name}/drain": "operate",
    "/runners/{name}/resume": "operate",
    "/ui/jobs/{job_id}/trigger": "trigger",
    "/ui/jobs/{job_id}/enable": "operate",
    "/ui/jobs/{job_id}/disable": "operate",
    "/ui/runs/{run_id}/cancel": "operate",
    "/ui/runs/{run_id}/retry": "operate",
    "/ui/sync": "operate",
}
PUBLIC = frozenset({"/health"})
REALM = 'realm="Sauron"'


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the token's name (None where the API is open) and the highest scope they reach."""

    name: str | None
    scope: str

    def may(self, scope: str) -> bool:
        """Whether this scope is within reach."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


EVERYONE = Caller(None, "read")


@functools.cache
def internal_token() -> str:
    """Return the token by which this very process may ask itself anything: random, never stored, never sent elsewhere."""
    return secrets.token_urlsafe(32)


def is_public(request: Request) -> bool:
    """Whether anyone may ask this."""
    return str(request.path) in PUBLIC


def is_page(pattern: str) -> bool:
    """Whether a route is for browsers."""
    return pattern == "/" or pattern.startswith("/ui/")


def is_open(settings: Settings) -> bool:
    """Whether anyone may call: no token is configured, and this is not AWS."""
    return not settings.api_tokens and settings.function is None


def needed(method: str, pattern: str) -> str:
    """Return the scope that a route needs."""
    return "read" if method in {"GET", "HEAD"} else NEEDED.get(pattern, "admin")


def admit(request: Request, settings: Settings) -> Caller:
    """Return who is asking. Raises ProblemError: 401 for an unknown caller, 403 for one whose scope does not reach."""
    caller = _identify(request, settings)
    scope = needed(request.method, str(request.path))
    if not caller.may(scope):
        raise ProblemError(
            403,
            f"This needs a token of scope {scope!r}; yours is {caller.scope!r}. Scopes: {' < '.join(SCOPES)}.",
            needed=scope,
        )
    return caller


def refuse_other_sites(request: Request) -> None:
    """Raise ProblemError 403 for a change that another site's page made a browser send.

    Browsers say where a request comes from (Sec-Fetch-Site, Origin) and pages cannot change it; other
    programs say nothing.
    """
    if request.method in {"GET", "HEAD"}:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        refused = site not in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin")
        hosts = {request.headers.get(name, "").lower() for name in ("host", "x-forwarded-host")} - {""}
        refused = origin is not None and urlsplit(origin).netloc.lower() not in hosts
    if refused:
        raise ProblemError(
            403, "A page of another site sent this. Send it from Sauron's own page, or without a browser."
        )


def _identify(request: Request, settings: Settings) -> Caller:
    scheme, sent = _credential(request)
    if scheme == "bearer" and hmac.compare_digest(sent, internal_token().encode()):
        by = request.headers.get("x-sauron-by", "")
        return Caller(by if re.fullmatch(r"[A-Za-z0-9_.@-]{1,64}", by) else "cli", "admin")
    if is_open(settings):
        return Caller(None, "admin")
    page = is_page(str(request.path))
    tokens: tuple[Token, ...] = settings.api_tokens or ()
    if scheme == "bearer" or (scheme == "basic" and page):
        known = [token for token in tokens if hmac.compare_digest(sent, token.value.encode())]
        if known:
            return Caller(known[0].name, known[0].scope)
    if not tokens:
        detail = "No tokens are configured, so nothing but /health is answered here. Set SAURON_API_TOKENS."
    elif not scheme:
        detail = "A token is needed: send 'Authorization: Bearer <token>', one of those in SAURON_API_TOKENS."
    else:
        detail = "The token is not one of those in SAURON_API_TOKENS. Send 'Authorization: Bearer <token>'."
    challenge = f'Basic {REALM}, charset="UTF-8"' if page else f"Bearer {REALM}"
    raise ProblemError(401, detail, headers={"WWW-Authenticate": challenge})


def _credential(request: Request) -> tuple[str, bytes]:
    """Return the scheme in lower case and the token that was sent; a header that cannot be read sends an empty token."""
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    value = rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            _, _, value = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            value = b""
    return scheme.lower(), value
