from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from chalicelib.answers.job_history import Durations
from chalicelib.model.runs import Run, RunState
from chalicelib.web import charts
from tests.runs import a_run

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


def run(state: RunState, seconds: float) -> Run:
    return a_run(state=state, started_at=NOW, finished_at=NOW + timedelta(seconds=seconds))


def test_good_runs_are_dots_far_slower_ones_rings_and_failed_ones_squares() -> None:
    runs = [
        run(RunState.SUCCEEDED, 10),
        run(RunState.DEGRADED, 10),
        run(RunState.SUCCEEDED, 40),
        run(RunState.TIMED_OUT, 60),
    ]
    chart = charts.durations(Durations(runs, usual=10, low=9, high=12), 60, NOW)
    marks = {path.kind: path.d for path in chart.paths}
    assert marks["dot"].count("M") == 2
    assert marks["ring"].count("M") == 1
    assert marks["square"].count("M") == 1
    assert {"usual", "limit"} <= set(marks)
    texts = [label.text for label in chart.labels]
    assert texts[-3:] == ["limit 60 s", "95 % under 12 s", "usual 10 s"]
    assert "40 s, 4 Mar" in texts
    assert "today" in texts
    assert texts[:4] == ["0 s", "20 s", "40 s", "60 s"]
    places = sorted(label.y for label in chart.labels[-3:])
    assert all(below - above >= 14 for above, below in pairwise(places))
    phone = charts.durations(Durations(runs, usual=10, low=9, high=12), 60, NOW, narrow=True)
    assert phone.width == 328
    assert max(label.x for label in phone.labels) <= 328


def test_durations_of_a_few_seconds_are_said_with_tenths() -> None:
    runs = [run(RunState.SUCCEEDED, 0.2), run(RunState.SUCCEEDED, 0.4)]
    chart = charts.durations(Durations(runs, usual=0.3, low=0.2, high=0.4), 300, NOW)
    assert {"usual 0.3 s", "95 % under 0.4 s"} <= {label.text for label in chart.labels}


def test_a_limit_that_is_far_away_does_not_flatten_the_plot() -> None:
    chart = charts.durations(
        Durations([run(RunState.SUCCEEDED, 10)], usual=10, low=None, high=None), 3600, NOW
    )
    assert "limit" not in {path.kind for path in chart.paths}
    assert chart.band is None


def test_a_year_has_a_cell_for_every_day_and_today_stands_last() -> None:
    today, monday = date(2026, 3, 4), date(2026, 3, 2)
    chart = charts.year({today: RunState.FAILED, monday: RunState.SUCCEEDED}, NOW)
    cells = {path.kind: path.d for path in chart.paths}
    assert sum(d.count("M") for d in cells.values()) == 52 * 7 + 3
    column = 36 + 52 * 15
    assert cells["failed"] == f"M{column} 48h12v12h-12z"
    assert cells["succeeded"] == f"M{column + 3} 21h6v6h-6z"


def test_a_trend_is_flat_where_it_is_usual_and_cut_where_it_is_far_from_it() -> None:
    assert charts.trend([1.0] * 7) == ""  # too few
    assert charts.trend([1.0] * 8) == "M0 8l3 0 3 0 3 0 3 0 3 0 3 0 3 0"
    assert charts.trend([1, 1.4, 3, 0.6, 0.1, 1, 1, 1]) == "M0 8l3 -8 3 0 3 16 3 0 3 -8 3 0 3 0"


def test_counts_are_said_in_words() -> None:
    counts = {RunState.SUCCEEDED: 3, RunState.TIMED_OUT: 1}
    assert (
        charts.said(counts, (RunState.TIMED_OUT, RunState.FAILED, RunState.SUCCEEDED))
        == "1 timed out, 3 succeeded"
    )
