"""The charts of a job as SVG: how long its runs took, and its year. Both are read without colours too.

Their units are pixels, so that text in them has its size; a phone shows them in a box that scrolls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from chalicelib.answers.job_history import LAST, Durations, seconds
from chalicelib.model.runs import BAD, Run, RunState
from chalicelib.text import about, taken

from .strips import Path

PLOT_WIDTH, PLOT_HEIGHT = 816, 160
LEFT, RIGHT = 48, 126  # room for labels
NARROW, NARROW_LEFT = 328, 52  # a phone's
CELL = 15
WEEKS, FEW_WEEKS = 53, 22
FIRST_WEEK = 7  # days of a month in which its name stands
_TICKS = 5  # of a scale at most
_STEPS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
TENTHS = 10  # seconds below which tenths are said
LOW, HIGH = 0.6, 1.4  # of the usual duration
TREND_HEIGHT, TREND_STEP = 16, 3
FEWEST = 8  # points that say anything of a trend
_OUTLIER = 1.15  # of the band's upper edge
_RINGS = 3  # that have a label
_LETTER, _LINE, _ROOM = 6, 14, 60  # pixels of a letter, of a line, between two days


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place of a chart."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart draws. `band` is (top, bottom) of what is usual, if enough is known.

    `plane` is (left, width) of the part in which marks are drawn.
    """

    width: int
    height: int
    paths: tuple[Path, ...]
    labels: tuple[Label, ...]
    band: tuple[float, float] | None = None
    plane: tuple[float, float] = (0, 0)


def durations(found: Durations, limit_seconds: float, now: datetime, *, narrow: bool = False) -> Chart:
    """Draw how long the runs took: dots are good ones, squares failed ones, rings were far slower.

    A `narrow` one, for a phone, has the newest half of the runs and fewer words.
    """
    runs = found.runs[-LAST // 2 :] if narrow else found.runs
    longest = max([seconds(run) for run in runs] + [found.high or 0])
    near = longest > limit_seconds / 4
    top = max(longest * 1.1, limit_seconds * 1.05 if near else 0, 1.0)
    width, left, edge = (NARROW, NARROW_LEFT, NARROW) if narrow else (PLOT_WIDTH, LEFT, PLOT_WIDTH - RIGHT)

    def y(value: float) -> float:
        return round(PLOT_HEIGHT - value / top * (PLOT_HEIGHT - 12), 1)

    step = (edge - left - 8) / max(1, len(runs) - 1)
    xs = [round(left + 4 + number * step, 1) for number in range(len(runs))]
    drawn: dict[str, list[str]] = {}
    rings: list[tuple[float, Label]] = []
    for x, run in zip(xs, runs, strict=True):
        took = seconds(run)
        if run.state in BAD:
            drawn.setdefault("square", []).append(f"M{x - 3} {y(took) - 3}h6v6h-6z")
        elif found.high is not None and took > found.high * _OUTLIER:
            drawn.setdefault("ring", []).append(_circle(x, y(took), 4))
            at = run.started_at or now
            rings.append((took, _beside(x, y(took), left, f"{_said(took)}, {at.day} {at:%b}")))
        else:
            drawn.setdefault("dot", []).append(_circle(x, y(took), 2))
    labels = [Label(left - 8, y(value) + 4, text, "left") for value, text in _scale(top)]
    labels += [one for _, one in sorted(rings, key=lambda ring: -ring[0])[:_RINGS]]
    labels += _days(runs, xs, now)
    lines: list[tuple[float, str, str]] = []
    if found.usual is not None:
        drawn["usual"] = [f"M{left} {y(found.usual)}H{edge}"]
        lines.append((y(found.usual) + 4, f"usual {_said(found.usual)}", ""))
    if found.high is not None:
        lines.append((y(found.high) + 4, f"95 % under {_said(found.high)}", ""))
    if near:
        drawn["limit"] = [f"M{left} {y(limit_seconds)}H{edge}"]
        lines.append((y(limit_seconds) + 4, f"limit {_said(limit_seconds)}", "bad"))
    labels += [] if narrow else _apart(lines, edge + 8)
    band = (y(found.high), y(found.low or 0)) if found.high is not None else None
    paths = tuple(Path(kind, "".join(parts)) for kind, parts in drawn.items())
    return Chart(width, PLOT_HEIGHT + 22, paths, tuple(labels), band, (left, edge - left))


def _said(seconds: float) -> str:
    """Say a duration in one unit, with tenths where a whole number would hide it."""
    return about(seconds) if seconds >= TENTHS else taken(seconds)


def _scale(top: float) -> list[tuple[float, str]]:
    """Return round values from 0 to `top` seconds, and how each is said."""
    step = next((one for one in _STEPS if top / one <= _TICKS), _STEPS[-1])
    values = [number * step for number in range(int(top / step) + 1)]
    return [(value, about(value) if step >= 1 else f"{value:g} s") for value in values]


def _beside(x: float, y: float, left: float, text: str) -> Label:
    """Put a label left of a mark, or right of it where there is no room."""
    room = x > left + len(text) * _LETTER
    return Label(x - 8, y + 4, text, "ring left") if room else Label(x + 8, y + 4, text, "ring")


def _days(runs: Sequence[Run], xs: Sequence[float], now: datetime) -> list[Label]:
    """Name the day of the first run, of one in the middle and of the last."""
    found: list[Label] = []
    for place in sorted({0, len(runs) // 2, len(runs) - 1}):
        at = runs[place].started_at or now
        text = "today" if at.date() == now.date() else f"{at.day} {at:%b}"
        if not found or (found[-1].text != text and xs[place] > found[-1].x + _ROOM):
            kind = "" if place == 0 else "left" if place == len(runs) - 1 else "middle"
            found.append(Label(xs[place], PLOT_HEIGHT + 18, text, kind))
    return found


def _apart(lines: list[tuple[float, str, str]], x: float) -> list[Label]:
    """Put labels below each other, each near its line, so that none covers another."""
    found: list[Label] = []
    for y, text, kind in sorted(lines):
        found.append(Label(x, max(y, found[-1].y + _LINE) if found else y, text, kind))
    return found


def trend(shares: Sequence[float]) -> str:
    """Draw medians, as shares of the usual, as a line: 0.6 to 1.4 of it, so that noise is flat."""
    heights = [round((HIGH - min(HIGH, max(LOW, one))) / (HIGH - LOW) * TREND_HEIGHT) for one in shares]
    steps = (f"{TREND_STEP} {b - a}" for a, b in pairwise(heights))
    return f"M0 {heights[0]}l{' '.join(steps)}" if len(heights) >= FEWEST else ""


def year(days: Mapping[date, RunState], now: datetime, *, weeks: int = WEEKS) -> Chart:
    """Draw a year by weeks, each day by its worst run. The area says how bad it was."""
    today = now.date()
    first = today - timedelta(days=today.weekday() + 7 * (weeks - 1))
    drawn: dict[str, list[str]] = {}
    labels = [Label(0, 18 + row * CELL + 10, name) for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"))]
    month = 0
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        x, y = 36 + number // 7 * CELL, 18 + number % 7 * CELL
        kind, d = _cell(days.get(day), x, y)
        drawn.setdefault(kind, []).append(d)
        if number % 7 == 0 and day.month != month and day.day <= FIRST_WEEK and number < 7 * (weeks - 1):
            month = day.month
            labels.append(Label(x, 10, f"{day:%b}"))
    paths = tuple(Path(kind, "".join(parts)) for kind, parts in drawn.items())
    return Chart(36 + weeks * CELL, 18 + 7 * CELL, paths, tuple(labels))


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
