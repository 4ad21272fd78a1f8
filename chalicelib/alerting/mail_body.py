"""The body of a mail about one alert or several, as text and as HTML that shows all of it and obeys none."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any


def as_html(parts: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> str:
    """Return the alerts as HTML: the titles first where there are several."""
    html: str = _template().render(parts=parts, titles=titles)
    return html


def as_text(part: Mapping[str, Any]) -> str:
    """Return one alert as text."""
    lines = [part["title"], "", part["reason"], ""]
    lines += [f"{name}: {value}" for name, value in part["facts"]]
    if part["tail"]:
        lines += ["", "The end of the log:", *(f"    {line}" for line in part["tail"].splitlines())]
    return "\n".join([*lines, "", str(part["link"])])


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_HTML)


_HTML = """<!doctype html>
<html lang="en">
<body style="font-family: sans-serif; line-height: 1.4">
{% if titles | length > 1 %}
<ul>
{% for title in titles %}
<li>{{ title }}</li>
{% endfor %}
</ul>
{% endif %}
{% for part in parts %}
<h3>{{ part.title }}</h3>
<p style="white-space: pre-wrap">{{ part.reason }}</p>
<p>{% for name, value in part.facts %}{{ name }}: {{ value }}<br>{% endfor %}</p>
{% if part.tail %}
<pre style="background: #f4f4f4; padding: 0.6em; white-space: pre-wrap">{{ part.tail }}</pre>
{% endif %}
<p><a href="{{ part.link }}">{{ part.link }}</a></p>
{% endfor %}
</body>
</html>
"""
