"""The charts of a job as SVG: how long its runs took, and its year. Both are read without colours too.

Their units are pixels, so that text in them has its size; a phone shows them in a box that scrolls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from chalicelib.answers.job_history import Durations, seconds
from chalicelib.model.runs import BAD, RunState
from chalicelib.text import about

from .strips import Path

PLOT_WIDTH, PLOT_HEIGHT = 816, 160
LEFT, RIGHT = 48, 112  # room for labels
CELL = 15
WEEKS = 53
FIRST_WEEK = 7  # days of a month in which its name stands
_TICKS = 4
LOW, HIGH = 0.6, 1.4  # of the usual duration
TREND_HEIGHT, TREND_STEP = 16, 3
FEWEST = 8  # points that say anything of a trend
_OUTLIER = 1.15  # of the band's upper edge


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place of a chart."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart draws. `band` is (top, bottom) of what is usual, if enough is known."""

    width: int
    height: int
    paths: tuple[Path, ...]
    labels: tuple[Label, ...]
    band: tuple[float, float] | None = None


def durations(found: Durations, limit_seconds: float) -> Chart:
    """Draw how long the runs took: dots are good ones, squares failed ones, rings were far slower."""
    longest = max([seconds(run) for run in found.runs] + [found.high or 0])
    near = longest > limit_seconds / 4
    top = max(longest * 1.1, limit_seconds if near else 0, 1.0)

    def y(value: float) -> float:
        return round(PLOT_HEIGHT - value / top * (PLOT_HEIGHT - 12), 1)

    step = (PLOT_WIDTH - LEFT - RIGHT) / max(1, len(found.runs) - 1)
    drawn: dict[str, list[str]] = {}
    for number, run in enumerate(found.runs):
        x, took = round(LEFT + number * step, 1), seconds(run)
        if run.state in BAD:
            drawn.setdefault("square", []).append(f"M{x - 3} {y(took) - 3}h6v6h-6z")
        elif found.high is not None and took > found.high * _OUTLIER:
            drawn.setdefault("ring", []).append(_circle(x, y(took), 4))
        else:
            drawn.setdefault("dot", []).append(_circle(x, y(took), 2))
    edge = PLOT_WIDTH - RIGHT
    labels = [
        Label(LEFT - 8, y(top * part / _TICKS) + 4, about(top * part / _TICKS), "left")
        for part in range(_TICKS + 1)
    ]
    if found.usual is not None:
        drawn["usual"] = [f"M{LEFT} {y(found.usual)}H{edge}"]
        labels.append(Label(edge + 8, y(found.usual) + 4, f"usual {about(found.usual)}"))
    if near:
        drawn["limit"] = [f"M{LEFT} {y(limit_seconds)}H{edge}"]
        labels.append(Label(edge + 8, y(limit_seconds) + 4, f"limit {about(limit_seconds)}", "bad"))
    band = (y(found.high), y(found.low or 0)) if found.high is not None else None
    paths = tuple(Path(kind, "".join(parts)) for kind, parts in drawn.items())
    return Chart(PLOT_WIDTH, PLOT_HEIGHT + 8, paths, tuple(labels), band)


def trend(shares: Sequence[float]) -> str:
    """Draw medians, as shares of the usual, as a line: 0.6 to 1.4 of it, so that noise is flat."""
    heights = [round((HIGH - min(HIGH, max(LOW, one))) / (HIGH - LOW) * TREND_HEIGHT) for one in shares]
    steps = (f"{TREND_STEP} {b - a}" for a, b in pairwise(heights))
    return f"M0 {heights[0]}l{' '.join(steps)}" if len(heights) >= FEWEST else ""


def year(days: Mapping[date, RunState], now: datetime) -> Chart:
    """Draw a year by weeks, each day by its worst run. The area says how bad it was."""
    today = now.date()
    first = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    drawn: dict[str, list[str]] = {}
    labels = [Label(0, 18 + row * CELL + 10, name) for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"))]
    month = 0
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        x, y = 36 + number // 7 * CELL, 18 + number % 7 * CELL
        kind, d = _cell(days.get(day), x, y)
        drawn.setdefault(kind, []).append(d)
        if number % 7 == 0 and day.month != month and day.day <= FIRST_WEEK and number < 7 * (WEEKS - 1):
            month = day.month
            labels.append(Label(x, 10, f"{day:%b}"))
    paths = tuple(Path(kind, "".join(parts)) for kind, parts in drawn.items())
    return Chart(36 + WEEKS * CELL, 18 + 7 * CELL, paths, tuple(labels))


def _cell(state: RunState | None, x: int, y: int) -> tuple[str, str]:
    if state is None:
        return "nothing", f"M{x + 5} {y + 5}h2v2h-2z"
    if state in BAD:
        return "failed", f"M{x} {y}h12v12h-12z"
    if state == RunState.DEGRADED:
        return "degraded", f"M{x + 1} {y + 1}v10h10z"
    if state in {RunState.SKIPPED, RunState.CANCELLED}:
        return "skipped", f"M{x + 3} {y + 3}h6v6h-6z"
    if state == RunState.MISSED:
        return "missed", f"M{x + 1} {y + 1}h10v10h-10z"
    return "succeeded", f"M{x + 3} {y + 3}h6v6h-6z"


def _circle(x: float, y: float, radius: int) -> str:
    half = f"a{radius} {radius} 0 1 0"
    return f"M{round(x - radius, 1)} {y}{half} {2 * radius} 0{half}-{2 * radius} 0"


def said(counts: Mapping[RunState, int], order: Sequence[RunState]) -> str:
    """Say the counts of states in words, in this order."""
    return ", ".join(f"{counts[one]} {str(one).replace('_', ' ')}" for one in order if counts.get(one))
