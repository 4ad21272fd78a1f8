"""The charts of what an attempt's processes used while it ran, as SVG: memory, and busy processors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.text import about, memory

from .charts import NARROW, Chart, Label
from .strips import Path

WIDTH, HEIGHT = 568, 72
LEFT, RIGHT, ABOVE, BELOW = 52, 8, 8, 18  # room for labels
_NEAR = 4  # times the largest memory: a limit that is farther is not drawn
_HUNDRED = 100.0

Points = Sequence[tuple[float, float]]
"""Seconds since the start of the attempt, and what was measured then."""


def share(percent: float) -> str:
    """Say how busy processors were; 100 % is one of them."""
    return f"{percent:.0f} %"


def of_memory(points: Points, limit_mb: float | None, *, narrow: bool = False) -> Chart:
    """Draw MiB, and the limit of the attempt's memory if that is near."""
    largest = max(value for _, value in points)
    near = limit_mb is not None and limit_mb <= largest * _NEAR
    return _drawn(points, largest, limit_mb if near else None, memory, narrow=narrow)


def of_processors(points: Points, *, narrow: bool = False) -> Chart:
    """Draw percents of one processor."""
    return _drawn(points, max(_HUNDRED, *(value for _, value in points)), None, share, narrow=narrow)


def _drawn(
    points: Points,
    largest: float,
    limit: float | None,
    said: Callable[[float], str],
    *,
    narrow: bool,
) -> Chart:
    width = NARROW if narrow else WIDTH
    edge, bottom = width - RIGHT, ABOVE + HEIGHT
    top = max(largest, limit or 0, 1.0) * 1.05
    end = points[-1][0]

    def place(seconds: float, value: float) -> str:
        return f"{LEFT + seconds / end * (edge - LEFT):.1f} {bottom - value / top * HEIGHT:.1f}"

    line = "L".join(place(*point) for point in points)
    paths = [Path("axis", f"M{LEFT} {bottom}H{edge}"), Path("line", f"M{line}")]
    labels = [
        Label(LEFT - 8, bottom + 4, "0", "left"),
        Label(LEFT - 8, round(bottom - largest / top * HEIGHT + 4, 1), said(largest), "left"),
        Label(LEFT, bottom + 14, "start"),
        Label(edge, bottom + 14, about(end), "left"),
    ]
    if limit is not None:
        y = round(bottom - limit / top * HEIGHT, 1)
        paths.append(Path("limit", f"M{LEFT} {y}H{edge}"))
        labels.append(Label(edge, y + 12, f"limit {said(limit)}", "left bad"))
    return Chart(width, bottom + BELOW, tuple(paths), tuple(labels))
