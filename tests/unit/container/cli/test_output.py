from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from sauron.cli import output

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-03-02T12:05:00Z", "12:05:00 (in 5 min)"),
        ("2026-03-02T11:59:30Z", "11:59:30 (30 s ago)"),
        ("2026-03-02T13:30:00Z", "13:30:00 (in 1 h 30 min)"),
        ("2026-03-03T08:00:00Z", "Tue 08:00 (in 20 h)"),
        ("2026-02-27T12:00:00Z", "Fri 12:00 (3 d ago)"),
        ("2026-04-02T08:00:00Z", "2026-04-02 08:00 (in 30 d)"),
        ("2026-03-02T12:00:00Z", "12:00:00 (0 s ago)"),
        (None, None),
    ],
)
def test_a_time_is_shown_with_how_far_it_is_off(text: str | None, shown: str | None) -> None:
    assert output.moment(text, now=NOW) == shown


def test_a_length_of_time_is_shown_in_its_largest_units() -> None:
    lengths = [
        timedelta(seconds=0),
        timedelta(seconds=61),
        timedelta(hours=5, minutes=3),
        timedelta(days=2, hours=7),
    ]
    assert [output.span(length) for length in lengths] == ["0 s", "1 min 1 s", "5 h", "2 d 7 h"]


def test_a_table_in_a_pipe_has_no_colours_is_not_cut_and_obeys_no_control_character(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    output.table(["job", "state"], [["a", "failed"], [long, "\x1b[31mred\x07 [bold]"], ["b", None]])
    assert capsys.readouterr().out.splitlines() == [
        f"job{'':<299}state",
        f"a{'':<301}failed",
        f"{long}  red [bold]",
        f"b{'':<301}-",
    ]


def test_what_takes_less_than_a_second_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with output.waiting("Working"):
        pass
    assert capsys.readouterr().err == ""


def test_what_takes_longer_than_a_second_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    deadline = time.monotonic() + 10
    with output.waiting("Working"):
        while not said.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said.getvalue() == "sauron: Working ...\n"
