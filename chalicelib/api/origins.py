"""Which pages are Sauron's own, and the refusal of changes that another site's page made a browser send.

Browsers name the site of a request (Sec-Fetch-Site, Origin; RFC 6454), and pages cannot change that; other
programs send neither header. Sec-Fetch-Site decides where it is sent, and it is not sent over plain http.
Then the Origin must be that of the host to which the request was sent, or that of SAURON_PUBLIC_URL: behind a
proxy that rewrites Host, only the setting knows the name that people use. No header of a proxy counts.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalice.app import Request

from chalicelib.settings import Settings

from .problems import ProblemError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(?i:https?)://(?:\[[^\[\]/?#@\s]+\]|[^\[\]/?#@:,\s]+)(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a page, in one spelling."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        )


def read_origin(text: str) -> Origin | None:
    """Read an Origin header; None for `null` and for whatever is not scheme, host and port."""
    return _origin_of(text) if _ORIGIN.fullmatch(text) else None


def public_origin(settings: Settings) -> Origin | None:
    """Return the origin of SAURON_PUBLIC_URL."""
    return _origin_of(settings.public_url or "")


def refuse_other_sites(request: Request, settings: Settings) -> None:
    """Raise ProblemError 403 for a change that a page of another site made a browser send."""
    headers = request.headers
    site, sent = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise _another_site(f"A page of another site sent this request (Sec-Fetch-Site: {site:.40}).")
    elif sent is not None:
        host = headers.get("host", "").strip()
        origin = read_origin(sent.strip())
        own = {public_origin(settings), read_origin(f"{origin.scheme}://{host}") if origin else None}
        if origin is None or origin not in own:
            page = f"A page of {origin}" if origin else "A page without an origin of its own"
            raise _another_site(
                f"{page} sent this request, whose Host is {_shown(host)}; they are two sites.",
                "If a proxy in front of Sauron changes the Host header, let it pass that header on, or set "
                "SAURON_PUBLIC_URL to the address that people use.",
            )


def _another_site(found: str, cure: str = "") -> ProblemError:
    return ProblemError(403, f"{found} Use Sauron's own page, or no browser. {cure}".strip())


def _shown(host: str) -> str:
    if not host:
        return "missing"
    return f"{host:.200}" if read_origin(f"http://{host}") else "unreadable"


def _origin_of(address: str) -> Origin | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return Origin(parts.scheme, _canonical(parts.hostname), port or _DEFAULT_PORTS[parts.scheme])


def _canonical(host: str) -> str:
    """Return the spelling of a host that browsers send."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host.lower()
