from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from chalicelib.api.pages.log_view import LONGEST, MOST, READ, ROOM, LogView, view
from chalicelib.model.runs import Outcome, Run, Verdict
from chalicelib.store import history, log_chunks
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, begin, execute, trigger


def wrote(sauron: Sauron, client: Client, clock: ManualClock, texts: Sequence[str]) -> Run:
    trigger(client)
    return execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=texts)


def seen(sauron: Sauron, run: Run, *, after: int | None = None, wanted: str | None = None) -> LogView:
    with sauron.store.read() as tx:
        return view(tx, history.find(tx, run.id), after=after, wanted=wanted)


def texts(shown: LogView) -> list[tuple[int, str]]:
    return [(line.number, "".join(piece.text for piece in line.pieces)) for line in shown.lines]


def test_lines_are_numbered_and_shown_in_their_last_state(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = wrote(sauron, client, clock, ["one\n 10 %\r 50", " %\r100 %\nth", "ree\n\nlast"])
    shown = seen(sauron, run)
    assert texts(shown) == [(1, "one"), (2, "100 %"), (3, "three"), (4, ""), (5, "last")]
    assert (shown.total, shown.is_whole) == (5, True)


def test_a_line_has_the_time_at_which_it_began(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    trigger(client)
    first = clock.now()
    run = begin(sauron, clock, wrote=["one\ntw"])
    clock.move(seconds=5)
    with sauron.store.write() as tx:
        log_chunks.append(tx, run.id, 1, ["o\nthree\n"], now=clock.now())
    second = clock.now()
    clock.move(seconds=42)
    with sauron.store.write() as tx:
        log_chunks.append(tx, run.id, 1, ["four"], now=clock.now())
    shown = seen(sauron, run)
    assert [line.at for line in shown.lines] == [first, first, second, clock.now()]
    assert shown.newest_at == clock.now()


@pytest.mark.slow
def test_the_end_is_shown_and_every_line_can_be_reached(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = wrote(sauron, client, clock, [f"line {number}\n" for number in range(1, 2 * MOST + 51)])
    shown = seen(sauron, run)
    assert (shown.later, shown.total) == (None, 2 * MOST + 50)
    found = texts(shown)
    while shown.earlier is not None:
        shown = seen(sauron, run, after=shown.earlier)
        found = texts(shown)[: found[0][0] - shown.lines[0].number] + found
    assert found == [(number, f"line {number}") for number in range(1, 2 * MOST + 51)]
    shown = seen(sauron, run, after=0)
    assert shown.later == shown.lines[-1].number
    assert seen(sauron, run, after=10**6).lines[-1].number == 2 * MOST + 50


def test_what_is_looked_for_is_counted_in_all_lines(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = wrote(sauron, client, clock, ["a \x1b[31mFa\x1b[0miled\n"] + ["b\n"] * MOST + ["it FAILED\n"])
    shown = seen(sauron, run, wanted="failed")
    assert shown.hits == [1, MOST + 2]
    assert [line.number for line in shown.lines if line.hit] == [MOST + 2]
    assert seen(sauron, run, wanted="b\nb").hits == []


@pytest.mark.slow
def test_a_huge_log_costs_a_bounded_page_with_right_numbers(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    piece = '<&">\x1b[31mbad\x1b[0m' * 8 + "\n"
    pieces = [piece * 500] * (4 * READ // (500 * len(piece)))
    run = wrote(sauron, client, clock, [*pieces, "the end\n"])
    shown = seen(sauron, run)
    assert shown.total == 500 * len(pieces) + 1
    assert texts(shown)[-1] == (shown.total, "the end")
    assert 0 < shown.begins < shown.total
    page = client.get(f"/ui/runs/{run.id}").body
    assert len(page.encode()) < 100_000
    assert len(client.get(f"/ui/runs/{run.id}?after=0").body.encode()) < 100_000
    assert f'id="L{shown.total}"' in page


def test_a_very_long_line_keeps_its_beginning_and_end(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = wrote(sauron, client, clock, ["b" + "x" * (ROOM * 2) + "e\n"])
    [(number, text)] = texts(seen(sauron, run))
    assert (number, text[0], text[-1]) == (1, "b", "e")
    assert len(text) < LONGEST + 100
    assert f"{ROOM * 2 + 2 - LONGEST} characters" in text


def test_the_page_shows_colours_links_and_no_sequence(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = wrote(
        sauron,
        client,
        clock,
        ["\x1b[1;31merror\x1b[0m <b>it</b>\x1b]0;title\x07\x1b[6n\u202e\x07\n", "fine\n"],
    )
    page = client.get(f"/ui/runs/{run.id}?q=FINE").body
    assert '<div class="log-line wrong" id="L1"><a href="#L1"' in page
    assert '<b class="bad bold">error</b> &lt;b&gt;it&lt;/b&gt;</span>' in page
    assert '<div class="log-line hit" id="L2">' in page
    assert "1 line matches" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    assert client.get(f"/ui/runs/{run.id}?after=x").problem["detail"].startswith("Query parameter 'after'")
