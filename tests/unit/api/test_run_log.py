from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.api import run_log
from chalicelib.api.run_log import with_headings
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import history, log_chunks
from chalicelib.store.log_chunks import Chunk
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, begin, execute, trigger


def test_a_log_is_plain_text_with_the_attempts_apart(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(
        sauron, clock, Verdict(Outcome.FAILED), wrote=["héllo\n", "no newline"], retry_in=timedelta(seconds=1)
    )
    answer = client.get(f"/runs/{run_id}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (answer.body, answer.headers["x-run-state"]) == ("héllo\nno newline", "queued")
    clock.move(seconds=2)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["better\n"])
    again = client.get(f"/runs/{run_id}/log")
    assert again.body == "--- attempt 1 ---\nhéllo\nno newline\n--- attempt 2 ---\nbetter\n"
    assert again.headers["x-run-state"] == "succeeded"
    tail = client.get(f"/runs/{run_id}/log?after={answer.headers['x-next-after']}")
    assert tail.body == "\n--- attempt 2 ---\nbetter\n"


def test_a_live_tail_gets_each_piece_once(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run_id = trigger(client)
    run = begin(sauron, clock)
    seen, after = [], "0"
    for text in ("one\n", "two\n", ""):
        with sauron.store.write() as tx:
            log_chunks.append(tx, run.id, 1, [text] if text else [], now=clock.now())
        answer = client.get(f"/runs/{run_id}/log?after={after}")
        seen.append(answer.body)
        after = answer.headers["x-next-after"]
    assert seen == ["one\n", "two\n", ""]


def test_a_long_log_is_read_on_from_where_it_was_cut(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    pieces = [f"{number:08}".ljust(65_535) + "\n" for number in range(80)]
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=pieces)
    first = client.get(f"/runs/{run_id}/log")
    assert first.headers["x-more"] == "true"
    rest = client.get(f"/runs/{run_id}/log?after={first.headers['x-next-after']}")
    assert "x-more" not in rest.headers
    assert first.body + rest.body == "".join(pieces)


@pytest.mark.parametrize(
    ("previous", "chunks", "several", "text"),
    [
        (None, [(1, "a\n"), (1, "b")], False, "a\nb"),
        (None, [(1, "a\n"), (2, "b")], True, "--- attempt 1 ---\na\n--- attempt 2 ---\nb"),
        (None, [(1, "a"), (2, "b")], True, "--- attempt 1 ---\na\n--- attempt 2 ---\nb"),
        ((1, "a"), [(1, "b")], True, "b"),
        ((1, "a"), [(2, "b")], False, "\n--- attempt 2 ---\nb"),
        ((1, "a"), [], True, ""),
    ],
)
def test_an_attempt_has_a_heading_on_a_line_of_its_own_where_there_are_several(
    previous: tuple[int, str] | None, chunks: list[tuple[int, str]], several: bool, text: str
) -> None:
    stored = [Chunk(position, attempt, part) for position, (attempt, part) in enumerate(chunks, 2)]
    before = Chunk(1, *previous) if previous else None
    assert "".join(with_headings(stored, before, several=several)) == text


def test_the_tail_of_a_log_says_whether_something_comes_before_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["abc", "def"])
    with sauron.store.read() as tx:
        run = history.run(tx, run_id)
        assert run is not None
        assert run_log.tail(tx, run, characters=6) == ("abcdef", False)
        assert run_log.tail(tx, run, characters=5) == ("bcdef", True)
