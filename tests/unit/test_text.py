from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from chalicelib.text import ago, plain, storable, taken, unreachable

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "in 1 s"),
        (-119, "119 s ago"),
        (120, "in 2 min"),
        (-7199, "119 min ago"),
        (7200, "in 2 h"),
        (-172_799, "47 h ago"),
        (172_800, "in 2 d"),
        (-864_000, "10 d ago"),
    ],
)
def test_a_distance_in_time_is_said_in_one_unit_and_never_rounded_up(seconds: float, words: str) -> None:
    assert ago(NOW + timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_duration_is_as_exact_as_it_can_be_seen(seconds: float, words: str) -> None:
    assert taken(seconds) == words


def test_output_is_shown_without_what_colours_a_terminal() -> None:
    coloured = "\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x07a link\x1b]8;;\x1b\\ end"
    assert plain(coloured) == "red and a link end"


def test_what_a_store_cannot_hold_is_replaced_wherever_it_stands_and_nothing_else_is() -> None:
    value = {"a\x00": ["x\ud800y", math.nan, math.inf, 1.5, None, True, {"deep": ("\x00",)}]}
    kept = {"a\ufffd": ["x?y", None, None, 1.5, None, True, {"deep": ["\ufffd"]}]}
    assert storable(value) == kept
    assert json.loads(json.dumps(storable(value), allow_nan=False)) == kept


def test_why_an_address_could_not_be_asked_holds_nothing_of_its_path() -> None:
    request = httpx.Request("GET", "https://host.test/ping/hidden")
    assert unreachable(httpx.ReadTimeout("slow", request=request), 5.0) == "no answer within 5 s"
    assert unreachable(httpx.ConnectError("refused", request=request), 5.0) == "no connection (refused)"
    assert (
        unreachable(ValueError("https://host.test/ping/hidden"), 5.0) == "the connection broke (ValueError)"
    )
