from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.web.colours import pieces, without_colours

LOOKS = {
    "31": "bad",
    "32": "good",
    "33": "warn",
    "34": "accent",
    "35": "accent",
    "36": "accent",
    "37": "",
    "30": "",
    "90": "quiet",
    "91": "bad",
    "97": "",
    "1": "bold",
    "1;31": "bad bold",
    "31;1": "bad bold",
    "1;31;22": "bad",
    "31;39": "",
    "31;0": "",
    "31;": "",
    "41": "",
    "101": "",
    "7": "",
    "38;5;1": "bad",
    "38;5;8": "quiet",
    "38;5;10": "good",
    "38;5;15": "",
    "38;5;200": "",
    "31;38;5;200": "",
    "38;2;255;0;0": "",
    "38;2;1;31;32;33": "warn",
    "38:2::255:0:0": "",
    "38:5:3": "warn",
    "48;5;1": "",
    "48;5;1;32": "good",
    "48;2;31;31;31": "",
    "38": "",
    "38;5": "",
    "38;5;;31": "bad",
    "58;5;1;31": "bad",
    "99999999999999999999;31": "bad",
    "4;3;31": "bad",
    "300": "",
}


@pytest.mark.parametrize("numbers", LOOKS)
def test_a_sequence_means_a_token_of_the_pages_or_nothing(numbers: str) -> None:
    found = pieces(f"a\x1b[{numbers}mb")
    assert "".join(piece.text for piece in found) == "ab"
    assert found[-1].look == LOOKS[numbers]
    assert found[0].look == ""


def test_a_look_lasts_until_it_is_ended_and_neighbours_alike_are_one() -> None:
    found = [(piece.text, piece.look) for piece in pieces("\x1b[31ma\x1b[91mb\x1b[1mc\x1b[md")]
    assert found == [("ab", "bad"), ("c", "bad bold"), ("d", "")]
    assert pieces("") == []


@given(st.text(st.sampled_from("a<&;:0123458m\x1b[9"), max_size=40))
def test_no_text_is_lost_and_no_look_is_invented(line: str) -> None:
    found = pieces(line)
    assert "".join(piece.text for piece in found) == without_colours(line)
    assert {word for piece in found for word in piece.look.split()} <= {
        "bad", "good", "warn", "accent", "quiet", "bold",
    }  # fmt: skip
