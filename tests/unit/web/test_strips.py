from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.answers.timelines import Mark, Timeline
from chalicelib.model.runs import RunState
from chalicelib.web.strips import shades, strip

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOTHING = Timeline((), None, (), dense=False, usual_seconds=None, off_since=None)
HOUR = timedelta(hours=1)


def mark(state: RunState, hours_ago: float, minutes: float = 0.2, count: int = 1) -> Mark:
    begin = NOW - timedelta(hours=hours_ago)
    return Mark(state, begin, begin + timedelta(minutes=minutes), "id", None, count)


def drawn(*marks: Mark, **others: object) -> dict[str, str]:
    timeline = Timeline(
        **{field: getattr(NOTHING, field) for field in NOTHING.__slots__} | {"marks": marks} | others
    )
    made = strip(timeline, now=NOW)
    return {path.kind: path.d for path in (*made.past, *made.to_come)}


# A strip is 1,440 minutes wide and 26 high; 12 hours ago is its middle.
@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (mark(RunState.SUCCEEDED, 12), {"succeeded": "M720 9v8"}),
        (mark(RunState.SUCCEEDED, 12, 30), {"succeeded long": "M720 13H750"}),
        (mark(RunState.DEGRADED, 12), {"degraded": "M720 6v14"}),
        (mark(RunState.FAILED, 12), {"failed": "M720 2v22"}),
        (mark(RunState.TIMED_OUT, 12, 60), {"failed long": "M720 13H780", "failed": "M780 2v22"}),
        (mark(RunState.SKIPPED, 12), {"skipped": "M720 9h8v8h-8z"}),
        (mark(RunState.CANCELLED, 12), {"skipped": "M720 9h8v8h-8z"}),
        (mark(RunState.MISSED, 12, 47), {"missed": "M720 5h47v16h-47z"}),
        (mark(RunState.RUNNING, 0.5, 30), {"running long": "M1410 13H1440"}),
        (mark(RunState.SUCCEEDED, 30), {"succeeded": "M0 9v8"}),
    ],
)
def test_a_mark_has_the_height_and_the_length_of_its_state(one: Mark, expected: dict[str, str]) -> None:
    assert drawn(one) == expected


def test_marks_of_one_state_share_a_path() -> None:
    assert drawn(mark(RunState.SUCCEEDED, 12), mark(RunState.SUCCEEDED, 6)) == {
        "succeeded": "M720 9v8M1080 9v8"
    }


def test_what_comes_is_a_dash_or_as_long_as_usual_or_a_band() -> None:
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=23)
    assert drawn(coming=(soon, later)) == {"coming": "M60 11v4M1380 11v4"}
    assert drawn(coming=(soon,), usual_seconds=1200.0) == {"coming": "M60 13h20"}
    assert drawn(coming=(soon, later), dense=True) == {"dense": "M60 13H1380"}


def test_bands_and_the_time_off_are_lines() -> None:
    made = strip(replace(NOTHING, band=(NOW - 24 * HOUR, NOW), off_since=NOW - HOUR), now=NOW)
    assert [(path.kind, path.d) for path in made.past] == [("band", "M0 13H1440"), ("off", "M1380 13H1440")]
    assert [(path.kind, path.d) for path in made.to_come] == [("off", "M0 13H1440")]
    ends = strip(replace(NOTHING, off_since=NOW - HOUR, off_until=NOW + 3 * HOUR), now=NOW)
    assert [path.d for path in ends.to_come] == ["M0 13H180"]


def test_a_band_has_a_hole_where_occurrences_were_missed() -> None:
    gap = mark(RunState.MISSED, 12, 60, count=60)
    lines = drawn(gap, band=(NOW - 20 * HOUR, NOW - HOUR))
    assert lines["band"] == "M240 13H720M780 13H1380"


def test_the_newest_marks_that_are_not_well_lead_to_their_runs() -> None:
    marks = [mark(state, hours) for hours, state in ((9, RunState.FAILED), (8, RunState.SKIPPED))]
    marks += [mark(RunState.DEGRADED, 7), mark(RunState.SUCCEEDED, 6), mark(RunState.RUNNING, 0.1)]
    made = strip(replace(NOTHING, marks=marks), now=NOW, links=2)
    assert [one.of.state for one in made.linked] == ["skipped", "degraded"]
    assert [path.d for one in made.linked for path in one.paths] == ["M960 9h8v8h-8z", "M1020 6v14"]
    assert {path.kind for path in made.past} == {"failed", "succeeded", "running long"}
    assert strip(replace(NOTHING, marks=marks), now=NOW).linked == ()


def test_the_time_in_which_sauron_was_down_is_shaded_wide_enough_to_be_seen() -> None:
    times = [(NOW - 30 * HOUR, NOW - 23 * HOUR), (NOW - 2 * HOUR, NOW - HOUR), (NOW - HOUR / 60, NOW)]
    made = shades(times, now=NOW)
    assert [one.until for one in made] == [until for _, until in times]
    assert [(one.x, one.width, one.seconds) for one in made] == [
        (0, 60, 3600),
        (1320, 60, 3600),
        (1436, 4, 60),
    ]


def test_a_strip_says_the_same_in_words() -> None:
    marks = mark(RunState.TIMED_OUT, 3), mark(RunState.MISSED, 2, count=4)
    said = strip(replace(NOTHING, marks=marks, coming=(NOW,)), now=NOW).said
    assert said == "last 24 hours: 1 timed out, 4 missed; next 24 hours: 1 to come"
