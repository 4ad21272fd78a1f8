from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.api.session_cookie import judge, value
from chalicelib.settings_readers import Token

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LAPTOP = Token("laptop", "operate", "a-token-of-laptop")
WALL = Token("wall", "read", "a-token-of-the-wall")
GOOD = value(LAPTOP, NOW)


def test_a_cookie_is_whose_it_says_and_ends_after_a_week() -> None:
    name, end, _, _ = GOOD.split(":")
    assert (name, int(end)) == ("laptop", int(datetime(2026, 3, 9, 12, tzinfo=UTC).timestamp()))
    assert judge(f"sauron_session={GOOD}", [WALL, LAPTOP], NOW).token == LAPTOP
    week = timedelta(days=7)
    assert judge(f"sauron_session={GOOD}", [LAPTOP], NOW + week - timedelta(seconds=1)).token == LAPTOP
    ended = judge(f"sauron_session={GOOD}", [LAPTOP], NOW + week)
    assert (ended.token, ended.sent, ended.forged) == (None, True, False)


@pytest.mark.parametrize(
    "around",
    ["{}", "a=b; {}; c=d", "a=b;{}", "sauron_session=old; {}", "a=b, {}"],
)
def test_it_is_found_among_others(around: str) -> None:
    assert judge(around.format(f"sauron_session={GOOD}"), [LAPTOP], NOW).token == LAPTOP


def test_cookies_of_others_are_no_business_of_ours() -> None:
    for header in ("", "a=b", f"xsauron_session={GOOD}", f"sauron_session2={GOOD}", f"Sauron_Session={GOOD}"):
        found = judge(header, [LAPTOP], NOW)
        assert (found.token, found.sent, found.forged) == (None, False, False), header


def signed(key: bytes, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).decode().rstrip("=")


def test_nothing_but_the_whole_cookie_counts() -> None:
    name, end, own, mark = GOOD.split(":")
    raw = LAPTOP.value.encode()
    signs = f"sauron_session 1\nlaptop\noperate\n{end}\n{own}"
    forged = {
        "nothing": "",
        "no signature": f"{name}:{end}:{own}:",
        "cut": GOOD[:-1],
        "longer": f"{GOOD}A",
        "padded": f"{GOOD}=",
        "quoted": f'"{GOOD}"',
        "another name": f"wall:{end}:{own}:{mark}",
        "another end": f"{name}:{int(end) + 1}:{own}:{mark}",
        "an end that is written otherwise": f"{name}:0{end}:{own}:{mark}",
        "another session": f"{name}:{end}:{value(LAPTOP, NOW).split(':')[2]}:{mark}",
        "no session": f"{name}:{end}:{mark}",
        "no end": f"{name}::{own}:{mark}",
        "a sign before the end": f"{name}:+{end}:{own}:{mark}",
        "other digits": f"{name}:{end.translate({ord('1'): 0x661})}:{own}:{mark}",
        "upper case": f"{name.upper()}:{end}:{own}:{mark}",
        "another letter": f"{name}:{end}:{own}:{'B' if mark[0] == 'A' else 'A'}{mark[1:]}",
        "the token itself": LAPTOP.value,
        "the token as the signature": f"{name}:{end}:{own}:{LAPTOP.value}",
        "signed without a key": f"{name}:{end}:{own}:{signed(b'', signs)}",
        "signed with the name": f"{name}:{end}:{own}:{signed(b'laptop', signs)}",
        "signed with the bare token": f"{name}:{end}:{own}:{signed(raw, signs)}",
        "signed with a quick hash": f"{name}:{end}:{own}:{signed(hashlib.sha256(raw).digest(), signs)}",
        "a JWT": "eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0.",
        "very long": "A" * 30_000,
        "NUL": f"{GOOD}\0",
    }
    for kind, one in forged.items():
        found = judge(f"sauron_session={one}", [LAPTOP, WALL], NOW)
        assert (found.token, found.sent, found.forged) == (None, True, True), kind


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [WALL],
        [replace(LAPTOP, value="another-token")],
        [replace(LAPTOP, scope="trigger")],
        [replace(LAPTOP, scope="admin")],
        [replace(LAPTOP, name="desk")],
        [replace(WALL, name="laptop"), replace(LAPTOP, name="wall")],
    ],
)
def test_it_counts_no_longer_than_its_token(tokens: list[Token]) -> None:
    found = judge(f"sauron_session={GOOD}", tokens, NOW)
    assert (found.token, found.forged) == (None, True)


def test_the_token_is_not_in_it_in_any_plain_form() -> None:
    for text in (LAPTOP.value, base64.b64encode(LAPTOP.value.encode()).decode(), LAPTOP.value.encode().hex()):
        assert text not in GOOD


def test_each_sign_in_is_a_session_of_its_own() -> None:
    at_once = value(LAPTOP, NOW)
    assert judge(f"sauron_session={at_once}", [LAPTOP], NOW, ended=lambda one: one == GOOD).token == LAPTOP
    assert judge(f"sauron_session={GOOD}", [LAPTOP], NOW, ended=lambda one: one == GOOD).token is None
