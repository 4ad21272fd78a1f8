"""Rendering pages: templates with every value escaped, and the headers that let a page do nothing but show itself.

The style sheet stands in the page, named in the content policy by its hash, so that a page is one request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from chalicelib import __version__
from chalicelib.clock import iso

HERE = Path(__file__).parent
_STEPS = ((86400 * 2, 86400, "d"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


def render(template: str, **values: Any) -> tuple[str, dict[str, str | list[str]]]:
    """Return a page's text and its headers."""
    text = _environment().get_template(template).render(style=_style(), version=__version__, **values)
    return text, dict(_headers())


def ago(instant: datetime, now: datetime) -> str:
    """Say how far an instant is from now: "in 5 min", "3 h ago"."""
    seconds = (instant - now).total_seconds()
    far = abs(seconds)
    if far < 1:
        return "now"
    unit, name = next((unit, name) for above, unit, name in _STEPS if far >= above)
    distance = f"{int(far // unit)} {name}"
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def taken(seconds: float) -> str:
    """Say how long something took: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 10:  # noqa: PLR2004 - tenths matter while they can be seen
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def plain(text: str) -> str:
    """Return output without the sequences that colour a terminal."""
    return _ANSI.sub("", text)


@functools.cache
def _style() -> str:
    return (HERE / "style.css").read_text(encoding="utf-8")


@functools.cache
def _headers() -> dict[str, str | list[str]]:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"iso": iso, "ago": ago, "taken": taken, "plain": plain}
    return environment
