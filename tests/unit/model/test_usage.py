from __future__ import annotations

from itertools import pairwise

import pytest

from chalicelib.model.usage import MOST_POINTS, MOST_PROGRAMS, Point, Usage, measured, of_json


def series(*points: tuple[float, float, float]) -> Usage:
    usage: Usage | None = None
    for point in points:
        usage = measured(usage, Point(*point), ())
    assert usage
    return usage


def test_what_is_stored_is_what_was_measured() -> None:
    usage = measured(series((5, 30, 1)), Point(10.0, 45.2, 0.93), ("pg_dump", "gzip"))
    assert of_json(usage.as_json()) == usage
    assert of_json(None) is None


def test_the_newest_measurement_and_the_largest_memory_are_told() -> None:
    usage = series((5, 300, 1), (10, 45, 0.5))
    assert usage.newest == Point(10, 45, 0.5)
    assert usage.peak_mb == 300


@pytest.mark.parametrize("late", [0.0, 0.3])
@pytest.mark.parametrize("many", [MOST_POINTS, MOST_POINTS + 1, 720, 17_280])
def test_a_long_attempt_keeps_a_bounded_series_in_which_all_of_its_time_is_alike(
    many: int, late: float
) -> None:
    every = 5 + late
    spike = range(many // 10 + 1, many // 10 + 1 + max(1, many // 100))
    usage = series(
        *((every * n, 900.0 if n in spike else 100.0, 4.0 if n in spike else 0.5) for n in range(1, many + 1))
    )
    assert MOST_POINTS // 4 <= len(usage.points) <= MOST_POINTS
    ends = [0.0, *(point.seconds for point in usage.points)]
    assert ends[-1] == usage.newest.seconds == every * many
    widths = [end - begin for begin, end in pairwise(ends)]
    assert max(widths) <= 3.1 * min(widths[:-1])
    at = next(point.seconds for point in usage.points if point.memory_mb == 900)
    assert abs(at - every * spike[0]) <= max(widths)
    busy = sum(point.processors * width for point, width in zip(usage.points, widths, strict=True))
    assert busy == pytest.approx(every * (4.0 * len(spike) + 0.5 * (many - len(spike))), rel=0.02)


def test_only_some_of_many_programs_are_kept() -> None:
    usage = measured(None, Point(1, 1, 1), [str(number) for number in range(20)])
    assert usage.programs == tuple(str(number) for number in range(MOST_PROGRAMS))
