"""What the processes of an attempt used while it ran: a bounded series of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_POINTS = 60
MOST_PROGRAMS = 8
SHORTEST_STEP = 5.0  # seconds
FULL = 1.5  # steps, so that measurements that come a little late are told apart all the same


class Point(NamedTuple):
    """What was used over some time, which begins where that of the point before ends.

    `seconds` is its end, counted from the start of the attempt; `memory_mb` the largest memory in MiB;
    `processors` how many were busy: 1.0 is one of them, all the time.
    """

    seconds: float
    memory_mb: float
    processors: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The measurements of one attempt.

    `points` are the whole of it, the oldest first, each of about `step` seconds; a longer attempt has longer
    steps. `newest` is the last measurement by itself, `programs` some of those that ran then.
    """

    step: float
    points: tuple[Point, ...]
    newest: Point
    programs: tuple[str, ...]

    @property
    def peak_mb(self) -> float:
        """The largest memory that was measured, in MiB."""
        return max(point.memory_mb for point in self.points)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        points = [list(point) for point in self.points]
        return {"step": self.step, "points": points, "newest": self.newest, "programs": self.programs}


def measured(before: Usage | None, newest: Point, programs: Sequence[str]) -> Usage:
    """Return the measurements of an attempt with one more."""
    step = before.step if before else SHORTEST_STEP
    points = _with(before.points if before else (), newest, step)
    if len(points) > MOST_POINTS:
        step *= 2
        points = tuple(_halved(points))
    return Usage(step, points, newest, tuple(programs[:MOST_PROGRAMS]))


def of_json(stored: Mapping[str, Any] | None) -> Usage | None:
    """Return what `as_json` returned; None if nothing was measured."""
    if stored is None:
        return None
    points = tuple(Point(*point) for point in stored["points"])
    return Usage(stored["step"], points, Point(*stored["newest"]), tuple(stored["programs"]))


def _with(points: tuple[Point, ...], newest: Point, step: float) -> tuple[Point, ...]:
    """Return the points with a measurement, which goes into the last one until that is a step long."""
    if not points:
        return (newest,)
    begin = points[-2].seconds if len(points) > 1 else 0.0
    if newest.seconds - begin > step * FULL:
        return (*points, newest)
    return (*points[:-1], _joined(begin, points[-1], newest))


def _halved(points: Sequence[Point]) -> Iterator[Point]:
    """Make one point of two; the last stays if there is no other for it."""
    begin = 0.0
    for first, second in zip(points[::2], points[1::2], strict=False):
        yield _joined(begin, first, second)
        begin = second.seconds
    if len(points) % 2:
        yield points[-1]


def _joined(begin: float, first: Point, second: Point) -> Point:
    """Make one point of two that follow each other, the first of which begins at `begin`."""
    busy = first.processors * (first.seconds - begin) + second.processors * (second.seconds - first.seconds)
    memory = max(first.memory_mb, second.memory_mb)
    return Point(second.seconds, memory, round(busy / (second.seconds - begin), 3))
