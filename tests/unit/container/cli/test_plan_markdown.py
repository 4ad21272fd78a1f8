"""The comment of a plan, as cmark-gfm's rules for tables and code spans read it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sauron.cli.plan_markdown import MARK, MOST, code, comment
from tests.conftest import job_record
from tests.unit.answers.job_sets import candidate, in_force, member, planned

HOSTILE = (
    "a | b | c",
    "`code` ``more``",
    "\\| out \\",
    "<img src=x onerror=alert(1)> <!-- -->",
    "@everyone #1 https://example.org [link](https://example.org)",
    "one\n\n# two\r\n| --- |\x1b[31m\u202e",
    "```\nfence",
    "",
)


def cells(line: str) -> list[str]:
    """Part a row of a table: a backslash protects the pipe after it."""
    return [one.strip() for one in re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_bundle_says_stays_in_its_cell_and_is_nothing_but_text(text: str) -> None:
    commit = {"sha": "c" * 40, "author": text, "date": text, "subject": text}
    refused = [{"job_id": text, "place": text, "reason": text}]
    now = in_force(member(job_record("daily", "0 8 * * *", description=text)))
    found = planned(candidate(rejected=refused, commits=[commit]), now)
    written = comment(found)
    assert written.startswith(MARK)
    head = "| commit | author | date | subject |"
    (row,) = [line for line in written.split("\n") if line.startswith("| `cccccccccccc`")]
    assert len(cells(row)) == len(cells(head)) == 4
    for one in cells(row):
        assert re.fullmatch(r"`[^`|]+`", one)
    outside = re.sub(r"`[^`\n]*`", "", written.removeprefix(MARK))
    assert not re.search(r"[`<>@\\]|https?:|\x1b|\u202e", outside)


def test_a_code_span_is_bounded_and_never_empty() -> None:
    assert code(None) == code(" \n ") == "`-`"
    assert len(code("x" * 1000)) < 200


@pytest.mark.slow
def test_a_comment_of_many_changes_fits_the_hosts() -> None:
    long = "x" * 64
    records = [job_record(f"{number:03}{long}"[:64], "* * * * *") for number in range(500)]
    refused: list[Any] = [
        {"job_id": f"{number}", "place": long * 9, "reason": long * 9} for number in range(500)
    ]
    commits = [{"sha": "c" * 40, "author": long * 3, "date": None, "subject": long * 9}] * 100
    found = planned(candidate(*records, rejected=refused, commits=commits, undone=commits), in_force())
    written = comment(found)
    assert len(written) <= MOST
    assert "... and 460 more." in written
