"""Times in the zone of a page, and the keeping of that zone in the page's own links and forms.

A template writes links as if there were no zone. What a page shows of others is escaped, so that none of it
looks like a link's or form's tag.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from chalicelib.clock import iso, local
from chalicelib.text import ago, on, safe

UTC = ZoneInfo("UTC")
shown_zone: ContextVar[ZoneInfo] = ContextVar("shown_zone", default=UTC)


def shown(instant: datetime, pattern: str = "%H:%M") -> str:
    """Return an instant as the clock on the wall of the page's zone shows it."""
    return local(instant, shown_zone.get()).strftime(pattern)


def shown_on(instant: datetime, now: datetime) -> str:
    """Return when something was or will be, as short as is clear, in the page's zone."""
    zone = shown_zone.get()
    return on(local(instant, zone), local(now, zone))


def exact(instant: datetime) -> str:
    """Return an instant in full, with the name of its zone."""
    return _exact(instant, shown_zone.get())


@lru_cache(maxsize=512)
def _exact(instant: datetime, zone: ZoneInfo) -> str:
    """Write it once for all the jobs of a page that fire together."""
    return f"{local(instant, zone):%A %d %B %Y, %H:%M:%S} {zone_word(instant)}"


def zone_word(instant: datetime) -> str:
    """Return the abbreviation of the page's zone at an instant: "UTC", "CEST", "UTC+04"."""
    word = shown(instant, "%Z")
    return word if word.isalpha() else f"UTC{word}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence for a page that names instants: `form` has a {} for each of `parts`.

    An instant is shown by how far it is from `now`, by day and hour without one, and always with the exact
    one beside it. A part may be a sentence itself.
    """

    form: str
    parts: tuple[str | datetime | Sentence, ...]
    now: datetime | None = None

    def __html__(self) -> str:
        """Return the sentence as HTML, in the page's zone."""
        return str(escape(self.form).format(*map(self._part, self.parts)))

    def _part(self, part: str | datetime | Sentence) -> str | Markup:
        if isinstance(part, Sentence):
            return Markup(part.__html__())  # noqa: S704 - it has escaped its parts
        if isinstance(part, str):
            return safe(part)
        tag = Markup('<time datetime="{}" title="{}">{}</time>')
        words = shown(part, "%a %d %b %H:%M") if self.now is None else ago(part, self.now)
        return tag.format(iso(part), exact(part), words)


def keep_zone(html: str, mount: str, zone: ZoneInfo) -> str:
    """Return a page whose own links and forms keep its zone; UTC needs no keeping."""
    if zone.key == UTC.key:
        return html
    kept = f"tz={quote(zone.key, safe='/')}"
    own = rf'{re.escape(mount)}/(?:ui/[^"#]*|(?:\?[^"#]*)?)'

    def link(found: re.Match[str]) -> str:
        address = found["address"]
        if re.search(r"[?;&]tz=", address):
            return found[0]
        between = "" if address.endswith("?") else "&amp;" if "?" in address else "?"
        return f'{found["name"]}="{address}{between}{kept}{found["place"]}"'

    address = rf'(?P<address>{own}|\?[^"#]*)(?P<place>(?:#[^"]*)?)'
    html = re.sub(rf'\b(?P<name>href|formaction)="{address}"', link, html)
    html = re.sub(rf'(?<=method="post" )(?P<name>action)="{address}"', link, html)
    field = f'<input type="hidden" name="tz" value="{zone.key}">'
    get_form = r'<form(?: class="(?!zone")[^"]*")? method="get"[^>]*>'
    return re.sub(get_form, lambda found: found[0] + field, html)
