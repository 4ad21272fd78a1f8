"""People see the last state of each line, whatever a program used to draw it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.terminal.screen import MOST_UP, Screen, as_shown, tail_as_shown

DRAWN = {
    "tqdm": ("".join(f"\r{n:3}%|{'█' * (n // 10):10}|" for n in range(101)) + "\n", f"100%|{'█' * 10}|\n"),
    "a shorter state leaves the end": ("downloading 100 kB\rdone", "doneloading 100 kB"),
    "a shorter state padded": ("downloading\rdone       \n", "done\n"),
    "cleared by spaces": ("working\r       \rready\n", "ready\n"),
    "erased to the end": ("downloading 100 kB\r\x1b[Kdone\n", "done\n"),
    "erased as a whole": ("downloading\x1b[2K\rdone\n", "done\n"),
    "erased to the cursor": ("abcdef\x1b[3D\x1b[1Kx", "   xef"),
    "trailing return": ("10 %\r20 %\r", "20 %"),
    "lines of a console": ("a\r\nb\r\r\nc\r\n", "a\nb\nc\n"),
    "backspaces": ("/\b-\b\\\b|\b done\n", " done\n"),
    "column one (npm)": ("fetch 1\x1b[1G\x1b[0Kfetch 2\x1b[1G\x1b[0Kadded 3\n", "added 3\n"),
    "two bars (tqdm)": (
        "a 1\nb 1\x1b[A\ra 2\n\rb 2\x1b[A\ra 3\n\rb 3\n",
        "a 3\nb 3\n",
    ),
    "layers (docker)": (
        "one: 1\ntwo: 1\n\x1b[2A\x1b[2K\rone: 9\x1b[2B\x1b[1A\x1b[2K\rtwo: 9\x1b[1B\rend\n",
        "one: 9\ntwo: 9\nend\n",
    ),
    "rich": (
        "\x1b[?25lWorking \x1b[32m━\x1b[0m━ 1/2\r\x1b[2KWorking \x1b[32m━━\x1b[0m 2/2\n\x1b[?25hready\n",
        "Working ━━ 2/2\nready\n",
    ),
    "rich with a table": ("a 1\nb 1\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Ka 2\nb 2\n", "a 2\nb 2\n"),
    "erased below": ("a\nb\nc\x1b[2A\r\x1b[Jdone\n", "done\n"),
    "place kept": ("\x1b7  0 %\x1b8\x1b7 50 %\x1b8100 %\n", "100 %\n"),
    "place kept otherwise": ("\x1b[s 10 %\x1b[u 20 %\n", " 20 %\n"),
    "up to the beginning": ("a\nb\n\x1b[2Fx\ny\n", "x\ny\n"),
    "reversed line feed": ("a 1\nb\x1bM\ra 2\n", "a 2\nb"),
    "to the right": ("ab\r\x1b[4Cc\n", "ab  c\n"),
    "wide letters": ("日本\rab\n", "ab本\n"),
    "half of a wide letter": ("日本\ra", "a 本"),
    "the other half": ("日本\x1b[4Gx", "日 x"),
    "a wide letter over two halves": ("日本語\x1b[2G字", " 字 語"),
    "erased in the middle of a wide letter": ("日本\x1b[4G\x1b[K.", "日 ."),
    "erased to the middle of a wide letter": ("日本x\x1b[3G\x1b[1K", "    x"),
    "signs that are wide": ("✅⚡⌛\rabc", "abc ⌛"),
    "a mark of its own after a return": ("日0\r00\u0301", "00\u03010"),
    "a mark of a wide letter": ("日0\r本\u0301", "本\u03010"),
    "a mark that is seldom": ("ab\rc\u1dc4", "c\u1dc4b"),
    "marks after a blank": ("ab\x1b[2C\u0301", "ab  \u0301"),
    "marks at the beginning": ("ab\r\u0301\u0302c", "\u0301\u0302c"),
    "marks": ("ne\u0301e\rxy\n", "xye\n"),
    "the screen is cleared": ("before\n\x1b[2J\x1b[Hafter\n", "before\nafter\n"),
    "other sequences": ("a\x1b]0;title\x07b\x1b[31mc\x1b[0m\x1b[6n\u202ed\x07\n", "abcd\n"),
    "no progress": ("one\n\n  two\t3\nthree", "one\n\n  two\t3\nthree"),
    "a return alone before a line feed": ("10 %\r\n20 %\r\n", "10 %\n20 %\n"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_last_state_of_each_line_is_shown(name: str) -> None:
    written, shown = DRAWN[name]
    assert as_shown(written) == shown


@pytest.mark.parametrize("name", DRAWN)
def test_wherever_the_output_is_cut(name: str) -> None:
    written, shown = DRAWN[name]
    cuts = range(0, len(written), 1 + len(written) // 50)
    for pieces in (*((written[:cut], written[cut:]) for cut in cuts), written):
        screen = Screen()
        for piece in pieces:
            screen.feed(piece)
        screen.end()
        assert as_shown("\n".join(screen.rows())) == shown, pieces


def test_colours_belong_to_the_letters_that_are_left() -> None:
    screen = Screen(colours=True)
    screen.feed("\x1b[31mred bar\x1b[0m\r\x1b[32mgreen\x1b[0m\nplain \x1b[1mbold\nstill\x1b[0m.")
    assert screen.rows() == [
        "\x1b[32mgreen\x1b[0m\x1b[31mar\x1b[0m",
        "plain \x1b[1mbold\x1b[0m",
        "\x1b[1mstill\x1b[0m.",
    ]


def test_the_end_of_a_log_is_more_than_its_progress() -> None:
    lines = [f"step {number}\n" for number in range(50)]
    bar = [f"\r{number} of 100000".ljust(40) for number in range(20_000)]
    end = tail_as_shown(reversed([*lines, *bar, "\n", "disk full\n"]), 200)
    assert end.endswith("step 49\n19999 of 100000\ndisk full\n")
    assert len(end) == 200
    assert tail_as_shown(["short\n"], 2000) == "short\n"
    assert tail_as_shown([], 2000) == ""


def test_no_sequence_costs_more_than_it_is_worth() -> None:
    screen = Screen()
    for number in range(1000):
        screen.feed(f"line {number}\n")
    screen.feed("\x1b[999999999999999999999999A\rhere\x1b[" + "9" * 4000 + "Cfar")
    rows = screen.rows()
    assert rows[: 1001 - MOST_UP] == [f"line {number}" for number in range(1001 - MOST_UP)]
    assert rows[1001 - MOST_UP].startswith("here")
    assert max(map(len, rows)) < 3000


@given(st.text(st.sampled_from("ab \r\n\b\x1b[]AKJGmCDFsu78M;1230\u0301日\x9b\x07"), max_size=60))
def test_nothing_that_drives_a_terminal_is_left_and_pieces_make_no_difference(text: str) -> None:
    shown = as_shown(text)
    assert not set(shown) & set("\r\b\x1b\x9b\x07")
    for size in (1, 3):
        screen = Screen()
        for begin in range(0, len(text), size):
            screen.feed(text[begin : begin + size])
        screen.end()
        assert as_shown("\n".join(screen.rows())) == shown
