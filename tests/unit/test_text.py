from __future__ import annotations

import json
import math
import random
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.text import Cleaner, about, ago, cell, escaped, listed, on, safe, storable, taken, unreachable

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
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h")]
)
def test_a_span_is_said_in_one_unit(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_an_instant_is_said_as_short_as_is_clear() -> None:
    now = datetime(2026, 3, 5, 12, tzinfo=UTC)
    said = [on(now - timedelta(days=days), now) for days in (0, 1, 5, 6, 116)]
    assert said == ["12:00", "Wed 12:00", "Sat 12:00", "27 Feb", "9 Nov"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_duration_is_as_exact_as_it_can_be_seen(seconds: float, words: str) -> None:
    assert taken(seconds) == words


def test_a_span_to_an_instant_before_is_0() -> None:
    assert (about(-0.001), about(-90000), taken(-0.2)) == ("0 s", "0 s", "0.0 s")


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


ATTACKS = {
    "the screen is cleared": "\x1b[2J",
    "the cursor is moved": "\x1b[1;1H",
    "a line is deleted": "\x1b[1M",
    "the screen is changed": "\x1b[?1049h",
    "the terminal is asked": "\x1b[6n",
    "the terminal is reset": "\x1bc",
    "letters are changed": "\x1b(0",
    "the title is set": "\x1b]0;title\x07",
    "the title is set, ended by ST": "\x1b]2;title\x1b\\",
    "the clipboard is set": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "a device is controlled": '\x1bP$q"p\x1b\\',
    "a program is told": "\x1b_Ga=T;AAAA\x1b\\",
    "privacy message": "\x1b^hidden\x1b\\",
    "start of string": "\x1bXhidden\x1b\\",
    "CSI in one letter": "\x9b2J",
    "OSC in one letter": "\x9d0;title\x9c",
    "DCS in one letter": "\x90q\x9c",
    "next line in one letter": "\x85",
    "the bell": "\x07",
    "backspaces": "\x08\x08",
    "form feed": "\x0c",
    "vertical tab": "\x0b",
    "shift out": "\x0e",
    "NUL": "\x00",
    "delete": "\x7f",
    "text is concealed": "\x1b[8m",
    "text is concealed among colours": "\x1b[31;8;1m",
    "a private colour": "\x1b[>4;1m",
    "right to left override": "\u202e",
    "left to right isolate": "\u2066",
    "end of isolate": "\u2069",
    "right to left mark": "\u200f",
    "Arabic letter mark": "\u061c",
    "a stray escape": "\x1b",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("colours", [False, True])
def test_what_would_drive_a_terminal_goes_whole(attack: str, *, colours: bool) -> None:
    assert safe(f"before{ATTACKS[attack]}\nafter", colours=colours) == "before\nafter"
    assert cell(f"before{ATTACKS[attack]}\nafter") == "before after"


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_goes_whole_wherever_the_text_is_cut(attack: str) -> None:
    text = f"before{ATTACKS[attack]}\nafter"
    for cut in range(len(text)):
        cleaner = Cleaner(colours=True)
        assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:]) + cleaner.end() == "before\nafter"


@pytest.mark.parametrize(
    "colour",
    ["\x1b[31m", "\x1b[m", "\x1b[0m", "\x1b[1;38;5;8m", "\x1b[38;2;8;8;8m", "\x1b[38:2::8:8:8m", "\x1b[4:3m"],
)
def test_colours_pass_on_a_terminal_only(colour: str) -> None:
    assert safe(f"a {colour}red\x1b[0m b", colours=True) == f"a {colour}red\x1b[0m b"
    assert safe(f"a {colour}red\x1b[0m b") == "a red b"


def test_after_colours_the_terminal_is_as_before() -> None:
    cleaner = Cleaner(colours=True)
    assert cleaner.feed("\x1b[31mred") + cleaner.end() == "\x1b[31mred\x1b[0m"
    cleaner = Cleaner(colours=True)
    assert cleaner.feed("\x1b[31mred\x1b[0m.") + cleaner.end() == "\x1b[31mred\x1b[0m."
    assert Cleaner(colours=True).end() == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rm -rf /\rls", "rm -rf /\nls"),  # it would hide what stands before it
        ("10 %\r20 %\r", "10 %\n20 %"),
        ("\r10 %\r\r20 %", "10 %\n20 %"),
        ("a\r\nb\r\r\nc", "a\nb\nc"),
        ("rm\r\x1b[Kls", "rm\nls"),
        ("rm\x1b[2K\rls", "rm\nls"),
        ("a\r\x1b[K\nb", "a\nb"),
        ("\n\rx", "\nx"),
    ],
)
def test_a_carriage_return_hides_nothing(text: str, shown: str) -> None:
    assert safe(text) == shown
    for cut in range(len(text)):
        cleaner = Cleaner(colours=False)
        assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:]) + cleaner.end() == shown


@pytest.mark.parametrize("start", ["\x1b]0;", "\x1bP", "\x9d", "\x1b[31", "\x1b[", "\x1b"])
def test_a_sequence_without_an_end_hides_nothing_that_follows(start: str) -> None:
    shown = safe(f"{start}\nthe work is done\n" + "x" * 10_000)
    assert shown.endswith("\nthe work is done\n" + "x" * 10_000)
    assert "\x1b" not in shown
    cleaner = Cleaner(colours=True)
    assert len(cleaner.feed(start + "y" * 10_000)) > 9_000  # and is not waited for for ever


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    text = "tab\there, Größe, Ελλάδα, עברית, فارسی می\u200cخواهم, 日本語, 👩\u200d👩\u200d👧, e\u0301\n"  # noqa: RUF001
    assert safe(text) == safe(text, colours=True) == text


@given(
    st.text(st.sampled_from("\x1b\x9b\x9d[]();:m0138?\\\x07\r\n\x08aJ\u202e"), max_size=40),
    st.integers(0, 2**32),
)
def test_nothing_but_colours_is_left_of_any_text(text: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - where a text is cut is no secret
    cleaner, shown, rest = Cleaner(colours=True), "", text
    while rest:
        step = chance.randint(1, 5)
        shown, rest = shown + cleaner.feed(rest[:step]), rest[step:]
    shown += cleaner.end()
    left = re.sub(r"\x1b\[[0-9;:]*m", "", shown)
    assert not set(left) & set("\x1b\x9b\x9d\x07\r\x08\u202e")
    assert safe(safe(text)) == safe(text)


def test_json_keeps_every_letter_and_shows_none_that_a_terminal_obeys() -> None:
    value = {"a\x9b\u202e": ["\x1b[2J\x07\x7f", "é日\u2066\u200f\U000e0001"]}
    shown = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200f\u202a-\u202e\u2066-\u2069\U000e0001]", shown)
    assert "é日" in shown


def test_words_are_listed_and_many_are_counted() -> None:
    assert [listed(list("abcd"[:count])) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcd"), most=4) == "a, b, c and d"
    assert listed(list("abcd"), most=2) == "a, b and 2 more"
