from __future__ import annotations

import pytest

from chalicelib.terminal.cells import cells_of, halve, join, marks_before


def letters(text: str) -> list[str]:
    return [letter for letter, _ in cells_of(text, "")]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("ab", ["a", "b"]),
        ("日a", ["日", "", "a"]),
        ("e\u0301x", ["e\u0301", "x"]),
        ("日\u0301", ["日\u0301", ""]),
        ("✅", ["✅", ""]),
        ("a\u00ad\u2060b", ["a\u00ad\u2060", "b"]),
        ("❤\ufe0f", ["❤\ufe0f"]),
        ("\u0301a", ["\u0301", "a"]),
    ],
)
def test_a_wide_letter_takes_two_cells_and_a_mark_none(text: str, cells: list[str]) -> None:
    assert letters(text) == cells


def test_marks_are_counted_up_to_the_first_letter() -> None:
    assert [marks_before(text) for text in ("", "a\u0301", "\u0301\u200da", "\u0301")] == [0, 0, 2, 1]


def test_half_a_wide_letter_is_a_blank_in_its_colour() -> None:
    cells = list(cells_of("a日b", "red"))
    halve(cells, 1)
    assert cells == [("a", "red"), ("日", "red"), ("", "red"), ("b", "red")]
    join(cells, 2, "\u0301")
    assert cells[1] == ("日\u0301", "red")
    halve(cells, 2)
    assert cells == [("a", "red"), (" ", "red"), (" ", "red"), ("b", "red")]
