from __future__ import annotations

import base64
import html
import itertools
import json
import quopri
import random
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax import saxutils

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from sauron_jobs_loader.escapes import Spellings, parts
from sauron_jobs_loader.masking import (
    MASK,
    Masker,
    address_credentials,
    credentials_in,
    shown_address,
    without_credentials,
)
from tests.properties import examples

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


ODD = """Tr0ub4dor&3!x@y/'it's"+<a\\b>$HOME %s é=?;"""


def go(text: str) -> str:
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


WRITERS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "urllib, all but slashes": quote,
    "urllib, everything": lambda text: quote(text, safe=""),
    "urllib, a form": quote_plus,
    "encodeURIComponent": lambda text: quote(text, safe="!'()*~"),
    "encodeURI": lambda text: quote(text, safe=";,/?:@&=+$!*'()#~"),
    "SQLAlchemy": lambda text: URL.create("postgresql", "me", text, "h").render_as_string(
        hide_password=False
    ),
    "httpx": lambda text: str(httpx.URL("http://h/", username="me", password=text).userinfo, "ascii"),
    "twice in an address": lambda text: quote(quote(text, safe=""), safe=""),
    "lower case in an address": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text)),
    "an address in JSON": lambda text: json.dumps(quote(text)),
    "JSON in an address": lambda text: quote(json.dumps(text)),
    "JSON": json.dumps,
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON within JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON within JSON within JSON": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "Go's JSON": lambda text: go(json.dumps(text, ensure_ascii=False)),
    "Go's JSON in JSON": lambda text: json.dumps(go(json.dumps(text, ensure_ascii=False))),
    "PHP's JSON": lambda text: json.dumps(text).replace("/", r"\/"),
    "JavaScript's escape": lambda text: quote(text.replace("é", ""), safe="@*/+").replace(
        "%3D", "%u00E9%3D", 1
    ),
    "HTML": html.escape,
    "HTML in JSON": lambda text: json.dumps(html.escape(text)),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML, Go's": lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "JSON in HTML": lambda text: html.escape(json.dumps(text)),
    "JavaScript in HTML": lambda text: html.escape(text.replace("\\", "\\\\").replace("'", "\\'")),
    "HTML in Go's JSON": lambda text: go(json.dumps(html.escape(text))),
    "XML": saxutils.quoteattr,
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "repr of a list in JSON": lambda text: json.dumps(repr([text])),
    "unicode_escape": lambda text: text.encode("unicode_escape").decode(),
    "a shell's quotes": shlex.quote,
    "set -x": lambda text: "'" + text.replace("'", r"'\''") + "'",
    "printf %q": lambda text: re.sub(r"([^A-Za-z0-9_./@%+=:é-])", r"\\\1", text),
    "a regular expression": re.escape,
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode().strip(),
    "SQL": lambda text: text.replace("'", "''"),
    "CSV": lambda text: text.replace('"', '""'),
    "ini": lambda text: text.replace("%", "%%"),
    "compose": lambda text: text.replace("$", "$$"),
    "octal": lambda text: "".join(c if c.isalnum() and c.isascii() else octal(c) for c in text),
}


def octal(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in letter.encode())


@pytest.mark.parametrize(
    "secret", [ODD, "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "it's", '"p@ss\\word"', "&&//++", "ключ-№1"]
)
def test_a_secret_is_found_as_ordinary_libraries_write_it(secret: str) -> None:
    masker = Masker([secret])
    kept = [piece for piece in re.split(r"[^A-Za-z0-9]+|(?<=%)..|u00..", secret) if len(piece) > 1]
    for writer, write in WRITERS.items():
        written = write(secret)
        assert MASK in masker.text(written), writer
        assert not [piece for piece in kept if piece in masker.text(written)], writer
        stream = masker.stream()
        raw = f"<{written}>\n".encode()
        fed = b"".join(stream.feed(raw[start : start + 3]) for start in range(0, len(raw), 3)) + stream.end()
        assert fed.decode() == masker.text(f"<{written}>\n"), writer


@pytest.mark.slow
@pytest.mark.properties
@settings(deadline=None, max_examples=examples(10, 30), derandomize=True)  # each compiles new spellings
@given(data=st.data())
def test_each_character_may_be_written_in_its_own_way(data: st.DataObject) -> None:
    secret = data.draw(st.text(st.characters(exclude_categories=["Cs", "Z"]), min_size=6, max_size=12))
    assume(secret.strip() == secret and len(secret.splitlines()) == 1)
    written = "".join(
        piece if isinstance(piece, str) else data.draw(st.sampled_from(sorted(texts(piece))))
        for piece in parts(secret)
    )
    masker = Masker([secret])
    assert masker.text(f"<{written}>\n") == f"<{MASK}>\n"
    cut = data.draw(st.integers(0, len(written.encode())))
    stream = masker.stream()
    raw = f"<{written}>\n".encode()
    assert stream.feed(raw[:cut]) + stream.feed(raw[cut:]) + stream.end() == f"<{MASK}>\n".encode()


def test_the_longest_spelling_of_a_last_character_is_masked_whole() -> None:
    assert Masker(["ab!cd&"]).text(r"<ab!cd\u0026#0038;>") == f"<{MASK}>"


def texts(spellings: Spellings) -> set[str]:
    return {"".join(chosen) for way in spellings.ways for chosen in itertools.product(*way)}


def test_a_secret_of_plain_letters_is_searched_as_it_is() -> None:
    assert parts("xoxb-123_abc.DEF") == ("xoxb-123_abc.DEF",)
    assert Masker(["hunter2"]).text("hunter%32 hunter2") == f"hunter%32 {MASK}"


@pytest.mark.parametrize("secret", ["ab!\ncd'ef&gh", KEY])
@pytest.mark.parametrize(
    "writer", ["Go's JSON", "PHP's JSON", "repr", "urllib, everything", "JSON within JSON"]
)
def test_a_value_of_several_lines_is_found_as_ordinary_libraries_write_it(writer: str, secret: str) -> None:
    masked = Masker([secret]).text(WRITERS[writer](secret))
    assert not [line for line in secret.splitlines()[1:-1] if line in masked]
    assert MASK in masked
    assert "cd" not in masked


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


@pytest.mark.slow
@pytest.mark.properties
@settings(deadline=None, max_examples=examples(15, 40))  # each compiles new spellings
@given(
    secrets=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=6, max_size=16),
        min_size=1,
        max_size=3,
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
