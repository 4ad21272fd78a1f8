from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.answers.timelines import Mark, Timeline
from chalicelib.model.runs import RunState
from chalicelib.web.strips import strip

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
    lines = drawn(band=(NOW - 24 * HOUR, NOW), off_since=NOW - HOUR)
    assert lines == {"band": "M0 13H1440", "off": "M1380 13H1440"}


def test_a_strip_says_the_same_in_words() -> None:
    marks = mark(RunState.TIMED_OUT, 3), mark(RunState.MISSED, 2, count=4)
    said = strip(replace(NOTHING, marks=marks, coming=(NOW,)), now=NOW).said
    assert said == "last 24 hours: 1 timed out, 4 missed; next 24 hours: 1 to come"
