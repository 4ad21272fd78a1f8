"""What the processes of an attempt used while it ran: a bounded series of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_POINTS = 120
MOST_PROGRAMS = 8


class Point(NamedTuple):
    """One measurement: how long the attempt had run, its memory then, and its processors since the last one.

    `seconds` since its start; `memory_mb` in MiB; `processors`: 1.0 is one that was busy all the time.
    """

    seconds: float
    memory_mb: float
    processors: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The measurements of one attempt, the oldest first, and the programs that ran at the newest one.

    A long attempt has fewer points for the same time: two neighbours become one, with the larger memory.
    """

    points: tuple[Point, ...]
    programs: tuple[str, ...]

    @property
    def newest(self) -> Point:
        """The last measurement."""
        return self.points[-1]

    @property
    def peak_mb(self) -> float:
        """The largest memory that was measured, in MiB."""
        return max(point.memory_mb for point in self.points)

    def followed_by(self, point: Point, programs: Sequence[str]) -> Usage:
        """Return these measurements with one more."""
        points = (*self.points, point)
        if len(points) > MOST_POINTS:
            points = tuple(_halved(points))
        return Usage(points, tuple(programs[:MOST_PROGRAMS]))

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"points": [list(point) for point in self.points], "programs": list(self.programs)}


NOTHING = Usage((), ())


def of_json(stored: Mapping[str, Any] | None) -> Usage | None:
    """Return what `as_json` returned; None if nothing was measured."""
    if stored is None:
        return None
    return Usage(tuple(Point(*point) for point in stored["points"]), tuple(stored["programs"]))


def _halved(points: Sequence[Point]) -> Iterator[Point]:
    """Make one point of two; the newest stays if there is no other for it."""
    since = 0.0
    for first, second in zip(points[::2], points[1::2], strict=False):
        busy = first.processors * (first.seconds - since)
        busy += second.processors * (second.seconds - first.seconds)
        memory = max(first.memory_mb, second.memory_mb)
        yield Point(second.seconds, memory, round(busy / (second.seconds - since), 2))
        since = second.seconds
    if len(points) % 2:
        yield points[-1]
