"""The table of goals and its charts say what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.bench.goals import Bars, Goal, Turns, table
from tests.bench.plots import svg


def test_a_goal_is_reached_as_its_operator_says() -> None:
    cases = [
        (">= 0.6", 0.6, True, 1.0),
        (">= 0.6", 0.3, False, 0.5),
        ("> 1", 1.0, False, 1.0),
        ("< 3 ms", 6.0, False, 0.5),
        ("< 3 ms", 1.5, True, 2.0),
        ("<= 2", 2.0, True, 1.0),
        ("> 1", None, None, None),
    ]
    for goal, value, reached, share in cases:
        row = Goal("some workload", goal, value)
        assert (row.reached, row.share) == (reached, share), goal


def test_a_row_says_ratio_goal_and_whether_it_is_reached() -> None:
    row = Goal("tick", "< 3 ms", 1.234, "1.2 ms", "nothing", "FULL; none")
    assert row.cells() == ("tick", "1.2 ms", "nothing", "1.23 ms", "< 3 ms", "yes", "FULL; none")
    assert Goal("tick", "< 3 ms", None).cells()[3:6] == ("", "< 3 ms", "not measured")
    assert Goal("tick", "< 3 ms", 1.0).label == "tick < 3 ms"
    assert Goal("queue", "> 1", 1.0, beside="huey: 20 runs/s").label == "queue > 1 x huey"


def test_a_ratio_is_the_middle_of_the_ratios_of_the_rounds() -> None:
    taken = Turns()
    ours, theirs = iter([10.0, 40.0, 90.0]), iter([10.0, 10.0, 30.0])  # 1, 4 and 3; the medians would give 4
    for _ in range(3):
        taken.take({"ours": lambda: next(ours), "theirs": lambda: next(theirs)})
    row = taken.goal("queue", ">= 2", "ours", "theirs")
    assert (row.value, row.reached, row.ours, row.beside) == (3.0, True, "40 runs/s", "theirs: 10 runs/s")


def test_what_fails_is_a_row_with_its_error_and_the_others_go_on() -> None:
    taken, tries = Turns(), []

    def fails() -> float:
        tries.append(1)
        raise FileNotFoundError("redis-server is missing | install it")

    for _ in range(3):
        taken.take({"peer": fails, "ours": lambda: 5.0})
    row = taken.goal("queue", "> 1", "ours", "peer")
    assert (row.value, row.reached) == (None, None)
    assert row.beside == "peer: FileNotFoundError: redis-server is missing / install it"
    assert taken.goal("queue", "> 1", "ours", "ours").value == 1
    assert taken.goal("queue", "> 1", "ours", "stranger").beside == "stranger: it could not be had here"
    assert len(tries) == 1


def test_the_table_is_markdown_with_straight_columns() -> None:
    lines = list(table([Goal("a", "> 1", 2.0), Goal("a longer one", "> 1", None, beside="missing")]))
    assert len(lines) == 4
    assert {len(line) for line in lines} == {len(lines[0])}
    assert [cell.strip() for cell in lines[2].split("|")[1:5]] == ["a", "", "", "2"]


@pytest.mark.parametrize("line", [None, 1.0])
def test_a_chart_says_each_value_and_can_be_read_without_colours(line: float | None) -> None:
    bars = (("ours & more", 1234.0, True), ("theirs", 0.5, False), ("far", 10_000.0, False))
    drawn = ET.fromstring(svg(Bars("x", "Rates <of> all", bars, line)))  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    assert drawn.findtext(f"{space}title") == "Rates <of> all"
    assert drawn.findtext(f"{space}desc") == "ours & more: 1,234; theirs: 0.5; far: 10,000"
    rects = drawn.findall(f"{space}rect")
    assert [one.get("class") for one in rects] == ["ours", "other", "other"]
    widths = [float(one.get("width", "")) for one in rects]
    texts = [one.text for one in drawn.findall(f"{space}text")]
    assert {"1,234", "0.5", "10,000"} <= set(texts)
    assert ("goal" in texts) == (line is not None)
    # Beyond three times the line a bar is cut, so that the short ones can be seen.
    assert widths[2] == (pytest.approx(widths[0]) if line else max(widths))
