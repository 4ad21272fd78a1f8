"""The headers of every response: nothing is cached, guessed at, framed, run, or used by another site.

A response that sets one of these itself keeps its own: the page names the style that it may use.
"""

from __future__ import annotations

from collections.abc import Iterable

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Browsers then use https alone, for a year. They heed it over https only (RFC 6797).
OVER_HTTPS = {"Strict-Transport-Security": "max-age=31536000"}


def missing_headers(present: Iterable[str], *, https: bool = False) -> dict[str, str]:
    """Return the headers that a response still lacks; `present` are the names that it has.

    `https`: people reach this Sauron over https.
    """
    names = {name.lower() for name in present}
    wanted = SECURITY_HEADERS | (OVER_HTTPS if https else {})
    return {name: value for name, value in wanted.items() if name.lower() not in names}
