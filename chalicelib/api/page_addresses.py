"""Addresses of pages as a browser uses them: what stands in front of them, and where a sign-in leads.

A text that a browser was led here with may come from anybody. `page_of_ours` takes nothing from it but a page
of Sauron itself, so that a sign-in never leads to another site.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlencode

from chalice.app import Request

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings
from chalicelib.wiring import PROCESS

from .origins import public_origin, read_origin

SIGN_IN, SIGN_OUT = "/ui/sign-in", "/ui/sign-out"
OVERVIEW = "/"
MOST = 2000  # characters of an address that is kept over a sign-in
# Visible ASCII without the backslash, which browsers read as a slash, and without a fragment.
_PAGE = re.compile(r"/(?:ui/[!-\"$-\[\]-~]*)?(?:\?[!-\"$-\[\]-~]*)?")


def mount(request: Request) -> str:
    """Return the path in front of our own, for links, forms and redirects.

    Behind API Gateway the request names it: `/<stage>`. A proxy in front of the container removes it, so
    there it is the path of SAURON_PUBLIC_URL.
    """
    path = [part for part in str(request.context.get("path") or "").split("/") if part]
    own = [part for part in str(request.path).split("/") if part]
    if before := path[: len(path) - len(own)]:
        return "".join(f"/{part}" for part in before)
    return public_path()


def public_path() -> str:
    """Return the path that a proxy removes; nothing on AWS, and where the settings cannot be used."""
    try:
        settings = PROCESS.settings()
    except SettingsError:  # an error page is to be shown all the same
        return ""
    return "" if settings.function else settings.public_path


def page_of_ours(text: str | None) -> str:
    """Return a path and query of our pages without what is mounted before it; the overview for all else."""
    if text is None or len(text) > MOST or not _PAGE.fullmatch(text):
        return OVERVIEW
    path = text.partition("?")[0]
    climbs = {".", ".."} & set(unquote(path).split("/"))
    return OVERVIEW if climbs or path.startswith((SIGN_IN, SIGN_OUT)) else text


def asked_for(request: Request) -> str:
    """Return the path and query of a request for a page, as `page_of_ours` takes them."""
    captured = {name: quote(unquote(value), safe="") for name, value in (request.uri_params or {}).items()}
    sent = request.query_params
    query = urlencode([(name, value) for name in sent for value in sent.getlist(name)]) if sent else ""
    return page_of_ours(str(request.path).format(**captured) + (f"?{query}" if query else ""))


def sign_in_address(request: Request) -> str:
    """Return where a browser signs in to see the page that it asked for."""
    return f"{mount(request)}{SIGN_IN}?{urlencode({'next': asked_for(request)})}"


def over_https(request: Request, settings: Settings) -> bool:
    """Return whether a browser reaches us over https, as far as anything says so.

    API Gateway speaks nothing else; the setting says it of a proxy; and a browser names the scheme of its own
    page in the Origin of a form.
    """
    own = public_origin(settings)
    sent = read_origin(request.headers.get("origin", "").strip())
    forwarded = request.headers.get("x-forwarded-proto", "").strip().lower()
    return (
        settings.function is not None
        or (own is not None and own.scheme == "https")
        or (sent is not None and sent.scheme == "https")
        or forwarded == "https"
    )
