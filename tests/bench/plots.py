"""The charts of `make bench` as SVG: bars with their names and values, ours filled and others outlined.

They are read without colours: the shape tells whose a bar is, and the value stands beside it. The colour is
that of the text around it, so the files fit a light and a dark page.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tests.bench.goals import Bars

WIDTH, ROW, TOP = 960, 26, 44
NAMES, VALUES = 500, 90  # room for the names of the bars, and for their values
LETTER = 6.4  # pixels
MOST = 3.0  # times the line: a longer bar is cut, and its value says how long it is

_STYLE = (
    "text{font:12px sans-serif;fill:#1a1a1a;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    ".title{font-weight:bold;font-size:14px}"
    ".ours{fill:#1a1a1a;stroke:#1a1a1a}.other{fill:none;stroke:#1a1a1a}"
    ".goal{stroke:#1a1a1a;stroke-dasharray:4 3}svg{background:#fff}"
    "@media (prefers-color-scheme:dark){svg{background:#16181c}text{fill:#eee;stroke:#16181c}"
    ".ours{fill:#eee;stroke:#eee}"
    ".other{stroke:#eee}.goal{stroke:#eee}}"
)


def svg(chart: Bars) -> str:
    """Return a chart as the text of an SVG file, whose description says every value."""
    height = TOP + ROW * len(chart.bars) + 8
    values = "; ".join(f"{name}: {_value(value)}" for name, value, _ in chart.bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-labelledby="title desc">'
        f'<title id="title">{escape(chart.title)}</title><desc id="desc">{escape(values)}</desc>'
        f"<style>{_STYLE}</style>"
        f'<text class="title" x="8" y="22">{escape(chart.title)}</text>{"".join(_bars(chart))}</svg>\n'
    )


def _bars(chart: Bars) -> Iterator[str]:
    most = max((value for _, value, _ in chart.bars), default=1.0) or 1.0
    most = min(most, chart.line * MOST) if chart.line else most
    scale = (WIDTH - NAMES - VALUES) / most
    if chart.line:
        x = NAMES + chart.line * scale
        bottom = TOP + ROW * len(chart.bars)
        yield f'<path class="goal" d="M{x:.1f} {TOP - 6}V{bottom}"/>'
        yield f'<text x="{x + 4:.1f}" y="{TOP - 8}">goal</text>'
    for number, (name, value, ours) in enumerate(chart.bars):
        y, width = TOP + number * ROW, max(1.0, min(value, most) * scale)
        yield f'<text x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(_short(name))}</text>'
        kind = "ours" if ours else "other"
        yield f'<rect class="{kind}" x="{NAMES}" y="{y + 2}" width="{width:.1f}" height="{ROW - 10}"/>'
        yield f'<text x="{NAMES + width + 6:.1f}" y="{y + 14}">{_value(value)}</text>'


def _short(name: str) -> str:
    room = int((NAMES - 8) / LETTER)
    return name if len(name) <= room else f"{name[: room - 1]}\N{HORIZONTAL ELLIPSIS}"


def _value(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
