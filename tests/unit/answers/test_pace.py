from __future__ import annotations

from statistics import median

import pytest

from chalicelib.answers.pace import Pace, pace, paces
from chalicelib.store import Store


def test_without_good_runs_there_is_no_pace(store: Store) -> None:
    assert pace([]) == Pace(None, None, ())
    with store.read() as tx:
        assert paces(tx, ["nobody"]) == {"nobody": Pace()}


def test_the_usual_is_the_median_and_few_runs_say_nothing_of_a_change() -> None:
    found = pace([4, 1, 2])
    assert (found.usual, found.change, found.trend) == (2, None, (1.0, 0.5, 2.0))


@pytest.mark.parametrize(("newest", "oldest", "change"), [(15, 10, 0.5), (5, 10, -0.5), (10, 10, 0)])
def test_a_change_compares_the_newest_third_with_the_oldest(
    newest: float, oldest: float, change: float
) -> None:
    took = [newest] * 33 + [12] * 34 + [oldest] * 33
    assert pace(took).change == pytest.approx(change)


def test_a_trend_has_a_few_medians_the_oldest_first() -> None:
    took = [float(number) for number in range(100, 0, -1)]  # the newest took the longest
    found = pace(took)
    assert len(found.trend) == 24
    assert found.trend[0] == pytest.approx(median([1, 2, 3, 4]) / 50.5)
    assert list(found.trend) == sorted(found.trend)


def test_runs_that_took_no_time_have_no_trend() -> None:
    assert pace([0.0] * 30) == Pace(0.0, None, ())
