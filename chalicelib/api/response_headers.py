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


def missing_headers(present: Iterable[str]) -> dict[str, str]:
    """Return the headers that a response still lacks; `present` are the names that it has."""
    names = {name.lower() for name in present}
    return {name: value for name, value in SECURITY_HEADERS.items() if name.lower() not in names}
