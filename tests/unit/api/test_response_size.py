from __future__ import annotations

import json

import pytest

from chalicelib.api.response_size import sent_bytes, take_within
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, execute, trigger


@pytest.mark.slow
def test_no_page_of_a_log_is_larger_than_lambda_sends(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    pieces = ["\U0001f600" * 65_536, "\x1b" * 65_536, '"\\' * 32_768, "e\u0301" * 32_768] * 10
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=pieces)
    seen, after, more = [], "0", True
    while more:
        answer = client.get(f"/runs/{run_id}/log?after={after}")
        assert len(json.dumps(answer.body)) < 4_500_000  # as AWS's runtime client writes it
        seen.append(answer.body)
        after, more = answer.headers["x-next-after"], "x-more" in answer.headers
    assert "".join(seen) == "".join(pieces)
    assert len(seen) > 2


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["x", '"', "\U0001f600"])
def test_no_page_of_runs_is_larger_than_lambda_sends(
    sauron: Sauron, client: Client, clock: ManualClock, letter: str
) -> None:
    made = []
    for size in (1, 300_000, 250_000, 350_000, 200_000, 300_000, 250_000, 300_000, 300_000, 1):
        made.append(trigger(client))
        execute(
            sauron,
            clock,
            Verdict(Outcome.SUCCEEDED, result={"text": letter * (size if letter > "z" else 3 * size)}),
        )
    seen: list[str] = []
    path: str | None = "/runs?limit=1000"
    while path:
        answer = client.get(path)
        assert len(json.dumps(answer.body)) < 4_500_000
        page = answer.json
        assert page["count"] == len(page["runs"]) > 0
        seen += [run["id"] for run in page["runs"]]
        path = page["next_after"] and f"/runs?limit=1000&after={page['next_after']}"
    assert seen == sorted(made, reverse=True)


@pytest.mark.parametrize(
    ("items", "taken", "more"),
    [
        ([], [], False),
        ([4, 6], [4, 6], False),
        ([4, 6, 1], [4, 6], True),
        ([11], [11], False),
        ([11, 1], [11], True),
        ([0, 11], [0], True),
    ],
)
def test_items_are_taken_while_they_fit_and_always_one(
    items: list[int], taken: list[int], more: bool
) -> None:
    assert take_within(items, size=lambda item: item, budget=10) == (taken, more)


def test_no_more_items_are_read_than_one_beyond_the_budget() -> None:
    unread = iter([6, 5, 1])
    take_within(unread, size=lambda item: item, budget=10)
    assert list(unread) == [1]


@pytest.mark.parametrize("text", ["x", '"', "\\", "\x1b", "\u00e9", "\U0001f600"])
def test_a_text_is_measured_as_lambda_sends_it(text: str) -> None:
    assert sent_bytes(text) == len(json.dumps(text).encode()) - 2
