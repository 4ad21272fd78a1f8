"""A timeline as the paths of an SVG: one path for each kind of mark, seven bytes a mark.

A strip is 1,440 units wide, one a minute, and stretched to the room there is; strokes keep their width.
Tall is bad, hollow did not run, length is time taken, so it is read without colours too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.answers.timelines import DAY, LONG, Mark, Timeline
from chalicelib.model.runs import RunState

WIDTH, HEIGHT = 1440, 26
MIDDLE = HEIGHT // 2
_LONG = LONG // timedelta(minutes=1)  # from then on a run is a line and no tick
# state: half the height of its upright mark
_TICKS = {RunState.SUCCEEDED: 4, RunState.DEGRADED: 7, RunState.FAILED: 11, RunState.TIMED_OUT: 11}
_HOLLOW = {RunState.SKIPPED: 4, RunState.CANCELLED: 4, RunState.MISSED: 8}
_SEEN = 4  # units that a shade is wide at least
_WELL = {RunState.SUCCEEDED, RunState.RUNNING}
_CLASS = {RunState.TIMED_OUT: "failed", RunState.CANCELLED: "skipped"}


@dataclass(frozen=True, slots=True)
class Path:
    """The `d` of a path and the class that colours it."""

    kind: str
    d: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A mark that leads to its run."""

    of: Mark
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """The two halves of a row: what was and what comes. `said` gives the counts in words.

    `linked` are the newest marks that are not well; they stand on top of the others.
    """

    past: tuple[Path, ...]
    linked: tuple[Linked, ...]
    to_come: tuple[Path, ...]
    said: str


def strip(timeline: Timeline, *, now: datetime, links: int = 0) -> Strip:
    """Draw a timeline around an instant; up to `links` marks lead to their runs."""
    start = now - DAY
    drawn: dict[str, list[str]] = {}
    if timeline.band:
        drawn["band"] = list(_band(timeline, start))
    if timeline.off_since is not None:
        drawn["off"] = [f"M{_minute(timeline.off_since, start)} {MIDDLE}H{WIDTH}"]
    not_well = [mark for mark in timeline.marks if mark.state not in _WELL]
    linked = not_well[-links:] if links else []
    for mark in timeline.marks:
        if mark not in linked:
            for kind, d in _past(mark, start):
                drawn.setdefault(kind, []).append(d)
    to_come = {"dense" if timeline.dense else "coming": "".join(_coming(timeline, now))}
    if timeline.off_since is not None:
        until = timeline.off_until or now + DAY
        to_come["off"] = f"M0 {MIDDLE}H{_minute(until, now)}"
    return Strip(
        tuple(Path(kind, "".join(parts)) for kind, parts in drawn.items()),
        tuple(Linked(mark, tuple(Path(*one) for one in _past(mark, start))) for mark in linked),
        tuple(Path(kind, d) for kind, d in to_come.items() if d),
        _said(timeline),
    )


@dataclass(frozen=True, slots=True)
class Shade:
    """A time in which Sauron was down, in minutes of the last 24 hours."""

    x: int
    width: int
    seconds: float
    until: datetime


def shades(silences: Sequence[tuple[datetime, datetime]], *, now: datetime) -> list[Shade]:
    """Return where the times in which Sauron was down lie, each wide enough to be seen."""
    start = now - DAY
    found = []
    for since, until in silences:
        first, last = _minute(since, start), _minute(until, start)
        seconds = (until - max(since, start)).total_seconds()
        found.append(Shade(min(first, WIDTH - _SEEN), max(_SEEN, last - first), seconds, until))
    return found


def _minute(instant: datetime, start: datetime) -> int:
    return min(WIDTH, max(0, round((instant - start).total_seconds() / 60)))


def _past(mark: Mark, start: datetime) -> Iterable[tuple[str, str]]:
    begin, end = _minute(mark.begin, start), _minute(mark.end, start)
    kind = _CLASS.get(mark.state, str(mark.state))
    if mark.state in _HOLLOW:
        half, wide = _HOLLOW[mark.state], max(_LONG, end - begin)
        left = min(begin, WIDTH - wide)
        yield kind, f"M{left} {MIDDLE - half}h{wide}v{2 * half}h-{wide}z"
        return
    if mark.state == RunState.RUNNING or end - begin >= _LONG:
        yield f"{kind} long", f"M{min(begin, WIDTH - 2)} {MIDDLE}H{max(end, begin + 2)}"
    if mark.state in _TICKS and (kind != "succeeded" or end - begin < _LONG):
        half = _TICKS[mark.state]
        yield kind, f"M{end} {MIDDLE - half}v{2 * half}"


def _band(timeline: Timeline, start: datetime) -> Iterable[str]:
    """Draw a line for very many runs, with a hole for each gap."""
    first, last = (_minute(instant, start) for instant in timeline.band or ())
    for mark in timeline.marks:
        if mark.state is RunState.MISSED and mark.count > 1:
            begin, end = _minute(mark.begin, start), _minute(mark.end, start)
            if first < begin:
                yield f"M{first} {MIDDLE}H{min(begin, last)}"
            first = max(first, end)
    if first < last or not timeline.marks:
        yield f"M{first} {MIDDLE}H{last}"


def _coming(timeline: Timeline, now: datetime) -> Iterable[str]:
    if timeline.dense:
        first, last = (_minute(instant, now) for instant in timeline.coming)
        yield f"M{first} {MIDDLE}H{last}"
        return
    usual = round((timeline.usual_seconds or 0) / 60)
    for fire_at in timeline.coming:
        at = _minute(fire_at, now)
        yield f"M{at} {MIDDLE}h{usual}" if usual >= _LONG else f"M{at} {MIDDLE - 2}v4"


def _said(timeline: Timeline) -> str:
    counts: dict[str, int] = {}
    for mark in timeline.marks:
        counts[mark.state] = counts.get(mark.state, 0) + mark.count
    parts = [f"{count} {str(state).replace('_', ' ')}" for state, count in counts.items()]
    if timeline.band:
        parts.insert(0, "many succeeded")
    coming = "many" if timeline.dense else str(len(timeline.coming))
    return f"last 24 hours: {', '.join(parts) or 'nothing'}; next 24 hours: {coming} to come"
