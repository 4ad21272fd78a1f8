"""The charts of what processes used, as SVG: over an attempt, and over the last runs of a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.text import about, memory, taken

from .charts import NARROW, Chart, Label
from .strips import Path

WIDTH, HEIGHT = 568, 72
LEFT, RIGHT, ABOVE, BELOW = 52, 8, 8, 18  # room for labels
_NEAR = 4  # times the largest memory: a limit that is farther is not drawn
_HUNDRED = 100.0
_LEAST = 0.1  # of a scale
_TENTHS = 10  # seconds below which tenths are said

Points = Sequence[tuple[float, float]]
"""Seconds since the start of an attempt, or the numbers of runs, and what was measured then."""

Ends = tuple[str, str]
"""What stands below the first and the last point; by default the start of an attempt and its time."""

Saying = Callable[[float], str]
"""Says a value in words."""


def share(percent: float) -> str:
    """Say how busy processors were; 100 % is one of them."""
    return f"{percent:.0f} %"


def _spent(seconds: float) -> str:
    return about(seconds) if seconds >= _TENTHS else taken(seconds)


def of_memory(
    points: Points, limit_mb: float | None, *, ends: Ends | None = None, narrow: bool = False
) -> Chart:
    """Draw MiB, and the limit of an attempt's memory if that is near."""
    largest = max(value for _, value in points)
    near = limit_mb is not None and limit_mb <= largest * _NEAR
    return _drawn(points, largest, limit_mb if near else None, memory, ends, narrow=narrow)


def of_processors(points: Points, *, narrow: bool = False) -> Chart:
    """Draw percents of one processor."""
    return _drawn(points, max(_HUNDRED, *(value for _, value in points)), None, share, None, narrow=narrow)


def of_seconds(points: Points, *, ends: Ends, narrow: bool = False) -> Chart:
    """Draw seconds of processor time."""
    return _drawn(points, max(value for _, value in points), None, _spent, ends, narrow=narrow)


def _drawn(
    points: Points,
    largest: float,
    limit: float | None,
    said: Saying,
    ends: Ends | None,
    *,
    narrow: bool,
) -> Chart:
    width = NARROW if narrow else WIDTH
    edge, bottom = width - RIGHT, ABOVE + HEIGHT
    top = max(largest, limit or 0, _LEAST) * 1.05
    end = points[-1][0]
    first, last = ends or ("start", about(end))

    def place(seconds: float, value: float) -> str:
        return f"{LEFT + seconds / end * (edge - LEFT):.1f} {bottom - value / top * HEIGHT:.1f}"

    line = "L".join(place(*point) for point in points)
    paths = [Path("axis", f"M{LEFT} {bottom}H{edge}"), Path("line", f"M{line}")]
    labels = [
        Label(LEFT - 8, bottom + 4, "0", "left"),
        Label(LEFT - 8, round(bottom - largest / top * HEIGHT + 4, 1), said(largest), "left"),
        Label(LEFT, bottom + 14, first),
        Label(edge, bottom + 14, last, "left"),
    ]
    if limit is not None:
        y = round(bottom - limit / top * HEIGHT, 1)
        paths.append(Path("limit", f"M{LEFT} {y}H{edge}"))
        labels.append(Label(edge, y + 12, f"limit {said(limit)}", "left bad"))
    return Chart(width, bottom + BELOW, tuple(paths), tuple(labels))
