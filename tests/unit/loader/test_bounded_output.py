"""Of output that is too long the beginning and the end are kept, and how much was left out is said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sauron_jobs_loader.bounded_output import BoundedOutput


@given(st.lists(st.binary(max_size=50)), st.integers(0, 40), st.integers(0, 40))
def test_the_first_and_the_last_bytes_are_kept_however_they_come(
    pieces: list[bytes], first: int, last: int
) -> None:
    output, whole = BoundedOutput(first=first, last=last), b"".join(pieces)
    for piece in pieces:
        output.add(piece)
    end = whole[first:]
    kept = whole[:first] + end[max(0, len(end) - last) :]
    assert output.kept() == kept.decode("utf-8", "replace")


def test_a_line_says_how_much_is_left_out() -> None:
    output = BoundedOutput(first=3, last=3)
    output.add(b"abc")
    assert output.text() == "abc"
    output.add(b"d" * 3000 + b"xyz")
    assert output.text() == "abc\n[... 3000 bytes left out ...]\nxyz"


def test_of_the_last_lines_the_one_that_was_cut_is_not_shown() -> None:
    output = BoundedOutput(last=20)
    output.add(b"token=s3cr3t-of-ops\nthe last line\n")
    assert output.last_lines() == "the last line\n"
    short = BoundedOutput(last=20)
    short.add(b"whole\nlines")
    assert short.last_lines() == "whole\nlines"
