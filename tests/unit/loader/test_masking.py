from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauron_jobs_loader.masking import (
    MASK,
    Masker,
    address_credentials,
    credentials_in,
    shown_address,
    without_credentials,
)

SECRET = "s3cr3t/Of the+ops&team"
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + "\n".join(f"{n:02}" + "b3BlbnNzaC1rZXktdjEAAAAA" * 2 for n in range(8))
    + "\n-----END-----"
)


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        json.dumps(SECRET)[1:-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        SECRET.replace("&", "&amp;"),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    assert Masker([SECRET]).text(f"<{written}>") == f"<{MASK}>"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
@pytest.mark.parametrize("after", ["", "z", "yz", "xyz"])
def test_it_is_found_inside_a_longer_encoded_text(before: str, after: str) -> None:
    masked = Masker([SECRET]).text(base64.b64encode(f"{before}{SECRET}{after}".encode()).decode())
    assert MASK in masked
    assert len(masked) <= 3 + 4 * (len(before) + 2) // 3 + 4 * (len(after) + 2) // 3 + 6


@pytest.mark.parametrize("length", [12, 13, 14])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_no_letter_that_the_secret_alone_decides_is_left_of_an_encoded_text(before: int, length: int) -> None:
    secret = "s3cr3t-0f-the-ops"[:length]
    encoded = base64.b64encode(b"\xff" * before + secret.encode() + b"\xff" * 9).decode()
    first, after = -(-before * 8 // 6), (before + length) * 8 // 6  # letters hold six bits each
    assert Masker([secret]).text(encoded) == encoded[:first] + MASK + encoded[after:]


def test_a_private_key_is_found_line_by_line_and_encoded() -> None:
    masker = Masker([KEY])
    lines = KEY.splitlines()
    assert masker.text(KEY) == "\n".join([lines[0], *[MASK] * 8, lines[-1]])
    assert lines[3] not in masker.text(json.dumps({"key": KEY}))
    wrapped = base64.encodebytes(KEY.encode()).decode()
    assert all(line not in masker.text(wrapped) for line in wrapped.splitlines()[:-1])


def test_of_two_secrets_of_which_one_begins_the_other_both_are_hidden() -> None:
    masker = Masker(["hunter2", "hunter2-and-more"])
    assert masker.text("hunter2-and-more hunter2") == f"{MASK} {MASK}"
    stream = masker.stream()
    assert stream.feed(b"hunter2") + stream.feed(b"-and-more\n") + stream.end() == f"{MASK}\n".encode()


def test_values_are_masked_in_texts_and_keys_and_nothing_else_changes() -> None:
    value = {"n": 1, SECRET: [True, None, 2.5, {"deep": f"a{SECRET}b"}], "same": "text"}
    assert Masker([SECRET]).value(value) == {
        "n": 1,
        MASK: [True, None, 2.5, {"deep": f"a{MASK}b"}],
        "same": "text",
    }


def test_ordinary_words_are_left_alone() -> None:
    text = "The quick brown fox jumps over 12 lazy dogs, true or false."
    assert Masker(["on", "1", "", "  ", "abc"]).text(text) == text
    assert Masker([]).text(text) == text


def test_nothing_is_held_back_that_cannot_become_a_secret() -> None:
    stream = Masker([SECRET]).stream()
    assert stream.feed(b"a line\n") == b"a line\n"
    assert stream.feed(b"no end yet") == b"no end yet"
    assert stream.feed(b" s3cr") == b" "
    assert stream.feed(b"et") == b"s3cret"
    assert stream.feed(b"s3cr3t") == b""
    assert stream.end() == b"s3cr3t"


def test_a_value_that_is_no_utf_8_does_not_stop_the_masking() -> None:
    odd = b"caf\xe9-secret".decode(errors="surrogateescape")
    stream = Masker([odd]).stream()
    assert stream.feed(b"x caf\xe9-secret y\n") == b"x *** y\n"


@given(
    secrets=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=6, max_size=30),
        min_size=1,
        max_size=4,
    ),
    noise=st.lists(st.text(max_size=20), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_split_over_writes_is_masked_as_in_one_piece(secrets: list[str], noise: list[str], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - where a text is cut is no secret
    masker = Masker(secrets)
    data = "".join(piece for part in noise for piece in (part, chance.choice(secrets))).encode(
        errors="replace"
    )
    stream, out, at = masker.stream(), b"", 0
    while at < len(data):
        step = chance.randint(1, 9)
        out += stream.feed(data[at : at + step])
        at += step
    out += stream.end()
    assert all(
        secret.strip().encode() not in out
        for secret in secrets
        if secret.strip() and secret.strip() not in MASK
    )


def test_lines_of_a_short_value_are_found_each_for_itself() -> None:
    assert (
        Masker(["hunter2hunter2\nsecondpassword"]).text("one hunter2hunter2, two secondpassword")
        == "one ***, two ***"
    )


def test_base64_in_lines_of_64_letters_is_found() -> None:
    whole = base64.b64encode(KEY.encode()).decode()
    lines = [whole[start : start + 64] for start in range(0, len(whole), 64)]
    assert all(line not in Masker([KEY]).text("\n".join(lines)) for line in lines[:-1])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@git.test/a.git", "https://git.test/a.git"),
        ("https://secret@git.test:8443/a.git#x", "https://git.test:8443/a.git"),
        ("ssh://git:secret@git.test:22/a.git", "ssh://git.test:22/a.git"),
        ("HTTPS://bot:pass@Host.example:8443/o/r", "https://Host.example:8443/o/r"),
        ("https://user@host/o/r?token=abc#main", "https://host/o/r"),
        ("https://[::1]:80/o/r", "https://[::1]:80/o/r"),
        ("ssh://git@host:22/o/r", "ssh://git@host:22/o/r"),
        ("git@host:o/r.git", "git@host:o/r.git"),
        ("deploy@host:o/r.git", "deploy@host:o/r.git"),
        ("/srv/repos@2/jobs", "/srv/repos@2/jobs"),
        ("./jobs@2", "./jobs@2"),
        ("file:///srv/repos@2/jobs", "file:///srv/repos@2/jobs"),
        ("host/o/r", "host/o/r"),
        ("https://host/o/r@2", "an address that cannot be read"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_address(url) == shown


@pytest.mark.parametrize(
    "url", ["git@host:o/r", "ssh://git@host/o/r", "/srv/a@b", "./a@b", "https://host/o/r"]
)
def test_the_user_of_ssh_and_a_path_are_no_secrets(url: str) -> None:
    assert address_credentials(url) == set()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("fatal: https://me:secret@git.test/a.git is gone", "fatal: https://***@git.test/a.git is gone"),
        ("https://secret@a.test/x https://b.test/y", "https://***@a.test/x https://b.test/y"),
        ("postgresql://sauron:p@ss@db.test/x", "postgresql://***@db.test/x"),
        ("https://me:it's@git.test/a", "https://***@git.test/a"),
        ("git+ssh://git@git.test/a.git", "git+ssh://git@git.test/a.git"),
        ("write to ops@example.org", "write to ops@example.org"),
    ],
)
def test_the_user_information_of_every_address_in_a_text_is_masked(text: str, masked: str) -> None:
    assert without_credentials(text) == masked
    assert without_credentials(masked) == masked


def test_what_opens_an_address_is_found_whole_and_as_the_password_alone() -> None:
    text = "--index-url https://ci:p%40ss@a.test/simple\ngit+ssh://git@b.test/c\nhttps://token@d.test/e"
    assert set(credentials_in(text)) == {"ci:p%40ss", "ci:p@ss", "p%40ss", "p@ss", "token"}
