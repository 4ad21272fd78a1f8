from __future__ import annotations

import io
import json
from typing import Any

from chalicelib import logs
from chalicelib.operations.wrong_tokens import MOST, NETWORKS, WrongTokens
from tests.conftest import ManualClock


def warned(stream: io.StringIO) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [
        {name: one[name] for name in ("event", "level", "count", "most_from", "of_it")} for one in records
    ]


def warning(count: int, most_from: str, of_it: int) -> dict[str, Any]:
    return {
        "event": "tokens.refused",
        "level": "warning",
        "count": count,
        "most_from": most_from,
        "of_it": of_it,
    }


def test_beyond_a_hundred_in_a_minute_a_network_is_told_how_long_to_wait(clock: ManualClock) -> None:
    wrong = WrongTokens(clock)
    assert [wrong.note("a") for _ in range(MOST)] == [None] * MOST
    assert wrong.note("a") == 60
    clock.move(seconds=20.5)
    assert wrong.note("a") == 40
    assert wrong.note("b") is None
    clock.move(seconds=39.5)
    assert wrong.note("a") is None


def test_one_warning_a_minute_sums_up_what_was_refused(clock: ManualClock) -> None:
    logs.configure(stream=(stream := io.StringIO()))
    wrong = WrongTokens(clock)
    for network in ("a", "b", "a", "a"):
        wrong.note(network)
    assert warned(stream) == [warning(1, "a", 1)]
    clock.move(seconds=59.9)
    wrong.report()
    assert len(warned(stream)) == 1
    clock.move(seconds=0.1)
    wrong.report()
    clock.move(minutes=9)
    wrong.report()
    assert warned(stream) == [warning(1, "a", 1), warning(3, "a", 2)]


def test_more_networks_than_are_counted_at_once_cost_no_memory_and_are_all_in_the_sum(
    clock: ManualClock,
) -> None:
    logs.configure(stream=(stream := io.StringIO()))
    wrong = WrongTokens(clock)
    for _ in range(MOST + 1):
        wrong.note("first")
    for number in range(NETWORKS - 1):
        wrong.note(f"n{number}")
    assert wrong.note("first") == 60
    wrong.note("one too many")
    assert wrong.note("first") is None  # the oldest was forgotten
    clock.move(minutes=1)
    wrong.report()
    assert warned(stream)[-1]["count"] == MOST + 1 + NETWORKS - 1 + 3 - 1
