"""Render pages: templates that escape every value, and a policy under which a page runs our own script alone.

The style sheet is part of the page; the content security policy names its hash, so a page is one request.

A page shows no link and no form that its reader may not use: templates ask `may(path)` for a form that posts
there, and `may(path, 'GET')` for a page. The macro `button` asks by itself.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib import __version__
from chalicelib.clock import iso
from chalicelib.text import about, ago, capitalized, memory, safe, taken

from .zoned import UTC, exact, keep_zone, shown, shown_on, shown_zone, zone_word

HERE = Path(__file__).parent
_UNNEEDED = re.compile(r"/\*.*?\*/|(?<=[{};:,])\s+|\s+(?=[{}])|;(?=\s*\})", re.DOTALL)

May = Callable[[str, str], bool]  # whether the reader may send a request with this path and method


def nothing(_path: str, _method: str) -> bool:
    """Return False: the reader may do nothing."""
    return False


_may: ContextVar[May] = ContextVar("may", default=nothing)


def render(
    template: str, *, mount: str, zone: ZoneInfo = UTC, may: May = nothing, **values: Any
) -> tuple[str, dict[str, str | list[str]]]:
    """Return a page's text and its headers.

    Its times are shown in a zone, which its links keep. `may` says what its reader may do.
    """
    token, shown_in = _may.set(may), shown_zone.set(zone)
    try:
        text = (
            _environment()
            .get_template(template)
            .render(style=_style(), version=__version__, mount=mount, zone=zone.key, **values)
        )
    finally:
        _may.reset(token)
        shown_zone.reset(shown_in)
    return keep_zone(text, mount, zone), dict(_headers())


@functools.cache
def _style() -> str:
    """Return the style sheet without comments, and without white space that no browser needs."""
    return _UNNEEDED.sub("", (HERE / "style.css").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Script:
    """The script of the pages, and the digest that its address holds."""

    text: str
    digest: str


@functools.cache
def script() -> Script:
    """Return the script that keeps pages fresh."""
    text = (HERE / "live.js").read_text(encoding="utf-8")
    return Script(text, hashlib.sha256(text.encode()).hexdigest()[:32])


@functools.cache
def _headers() -> dict[str, str | list[str]]:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'self'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}


def _readable(value: Any) -> Any:
    """Return a text without what would hide it or turn it around; HTML and other values as they are."""
    return safe(value) if type(value) is str else value


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_environment

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    environment.globals["may"] = lambda path, method="POST": _may.get()(path, method)
    environment.filters |= {
        "iso": iso,
        "ago": ago,
        "about": about,
        "taken": taken,
        "capitalized": capitalized,
        "memory": memory,
    }
    environment.filters |= {"on": shown_on, "shown": shown, "exact": exact, "zone_word": zone_word}
    environment.filters["parsed"] = datetime.fromisoformat
    # what a page does not show is taken out before a text is cut, so that no half of it is left
    cut = environment.filters["truncate"]
    environment.filters["truncate"] = pass_environment(
        lambda environment, value, length: cut(environment, _readable(value), length)
    )
    return environment
