from __future__ import annotations

import pytest

from chalicelib.model.usage import MOST_POINTS, MOST_PROGRAMS, NOTHING, Point, Usage, of_json


def test_what_is_stored_is_what_was_measured() -> None:
    usage = NOTHING.followed_by(Point(10.0, 45.2, 0.93), ("pg_dump", "gzip"))
    assert of_json(usage.as_json()) == usage
    assert of_json(None) is None


def test_the_newest_measurement_and_the_largest_memory_are_told() -> None:
    usage = NOTHING.followed_by(Point(10, 300, 1), ()).followed_by(Point(20, 45, 0.5), ())
    assert usage.newest == Point(20, 45, 0.5)
    assert usage.peak_mb == 300


@pytest.mark.parametrize("many", [MOST_POINTS, MOST_POINTS + 1, 10 * MOST_POINTS + 3])
def test_a_long_attempt_keeps_a_bounded_series_with_its_peak_and_its_processor_time(many: int) -> None:
    usage = NOTHING
    for number in range(1, many + 1):
        memory = 900.0 if number == 7 else 100.0
        usage = usage.followed_by(Point(10.0 * number, memory, number % 2), ())
    assert MOST_POINTS // 2 <= len(usage.points) <= MOST_POINTS
    assert usage.peak_mb == 900
    assert usage.newest.seconds == 10 * many
    seconds = [point.seconds for point in usage.points]
    assert seconds == sorted(set(seconds))
    before = [0.0, *seconds]
    busy = sum(
        point.processors * (point.seconds - since) for point, since in zip(usage.points, before, strict=False)
    )
    assert busy == pytest.approx(10 * ((many + 1) // 2), rel=0.02)


def test_only_some_of_many_programs_are_kept() -> None:
    usage: Usage = NOTHING.followed_by(Point(1, 1, 1), [str(number) for number in range(20)])
    assert usage.programs == tuple(str(number) for number in range(MOST_PROGRAMS))
