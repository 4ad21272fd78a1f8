"""The names under which an open API may be reached.

An open API obeys whoever reaches it, and a browser reaches what its own machine reaches. A hostile page can
point a name of its own at that address (DNS rebinding); browser and Sauron then take the page for Sauron's
own, and only the Host header still tells them apart. So without tokens Sauron serves names that no stranger
can point here: addresses, loopback names, names without a dot, and the names that its operator wrote down.

With tokens the name decides nothing, because such a page has no token. `/health` is served under every name,
so that no health check of a proxy fails.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

from chalice.app import Request

from chalicelib.settings import Settings

from .auth import is_open
from .origins import public_origin
from .problems import ProblemError

# Of a Host header (RFC 9110, section 7.2): an IPv6 address in brackets or a name, and a port.
_HOST = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[a-z0-9_.-]+))(?::\d*)?")
_LOOPBACK = re.compile(r"(?:.+\.)?localhost|localhost\.localdomain")  # RFC 6761, section 6.3


def refuse_foreign_name(request: Request, settings: Settings) -> None:
    """Raise ProblemError 421 if the API is open and the request was sent to a name that it does not serve.

    A request without a Host header is served: every browser sends one.
    """
    host = request.headers.get("host", "").strip()
    if not host or not is_open(settings) or _is_served(host.lower(), settings):
        return
    raise ProblemError(
        421,
        f"Without tokens this Sauron does not answer to the name {host!r}, which a hostile page could use. "
        "Set SAURON_API_TOKENS; or set SAURON_PUBLIC_URL to the address that people use; "
        "or use an IP address, localhost or a name without a dot.",
    )


def _is_served(host: str, settings: Settings) -> bool:
    parsed = _HOST.fullmatch(host)
    if parsed is None:
        return False
    if (literal := parsed["address"]) is not None:
        return _is_address(unquote(literal))
    name = parsed["name"].removesuffix(".")
    if not name:
        return False
    own = name in {settings.api_host.lower(), _public_name(settings)}
    return own or "." not in name or _LOOPBACK.fullmatch(name) is not None or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _public_name(settings: Settings) -> str | None:
    origin = public_origin(settings)
    return origin.host.removesuffix(".") or None if origin else None
