"""Masking of secrets in text before the text is kept, shown or sent.

A known value is found as it is, in base64 (also inside a longer encoded text), URL-encoded, in hex, escaped
for JSON or HTML, and in a stream also when it is split over writes. A value of several lines is found line by
line. The user information of an address is found by its place. Masking a text twice changes nothing.

Limit: a value that a job transforms in another way (reversed, encrypted, one letter a line) is not found.
Values shorter than SHORTEST (lines of a longer value: SHORTEST_LINE) are not masked, because they would mask
ordinary words.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
SHORTEST = 4
SHORTEST_ENCODED = 8  # letters of base64: fewer are found in ordinary text
SHORTEST_LINE = 8  # of a value of several lines, such as a private key
BASE64_LINES = (76, 64)  # letters after which MIME and base64(1), and PEM break the line

# user and password of an address; the user name `git` alone opens nothing
_USER_INFORMATION = re.compile(r"(?<=://)(?!git@)([^/\s]+)@")
_ALTERNATIVE = str.maketrans("+/", "-_")

UNREADABLE = "an address that cannot be read"
_SCHEME = re.compile(r"\A(?:[a-z][a-z0-9+.-]*:)?/+", re.IGNORECASE)
_SSH_USER = re.compile(r"(?:git\+)?ssh://[a-z0-9_.+-]+", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<info>[^/?#@\s\\]*)@)?"
    r"(?P<place>(?:\[[0-9a-f:.]+\]|[^/?#@\s\\:\[\]]+)(?::\d*)?(?:/[^?#@\s]*)?)(?:[?#][^@]*)?",
    re.IGNORECASE,
)
_SCP_LIKE = re.compile(
    r"(?:[a-z0-9_.+-]+@(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):|git@[a-z0-9_.-]+/)[^@\s]+", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """Return a text with the user information of every address in it masked."""
    return _USER_INFORMATION.sub(f"{MASK}@", text)


def credentials_in(text: str) -> Iterator[str]:
    """Find the user information of addresses in a text: the whole and, if there is one, the password."""
    for whole in _USER_INFORMATION.findall(text):
        _user, _colon, password = whole.partition(":")
        for secret in filter(None, (whole, password)):
            yield from (secret, unquote(secret))


def address_credentials(url: str) -> set[str]:
    """Return what of one address may be a secret: all that stands before its last @, whole and in pieces.

    Nothing is guessed from the form of the address, because a password that holds `/`, `#` or `?` makes it
    another one. The user name alone of an ssh address opens nothing and is none.
    """
    before, at, _ = url.rpartition("@")
    if not at or _is_path(url) or _SCP_LIKE.fullmatch(url) or _SSH_USER.fullmatch(before):
        return set()
    whole = _SCHEME.sub("", before)
    user, _, last = whole.rpartition(":")
    pieces = {whole, whole.partition(":")[2], user if last in {"", "x-oauth-basic"} else ""}
    return {form for piece in pieces if piece for form in (piece, unquote(piece))}


def shown_address(url: str) -> str:
    """Return one address for people, built from its parts without credentials, query and fragment.

    An address whose parts cannot be told apart is UNREADABLE: what looks like its host may be a password.
    """
    if _is_path(url) or ("@" not in url and "://" not in url):
        return url
    if found := _URL.fullmatch(url):
        scheme = found["scheme"].lower()
        user = f"{found['info']}@" if scheme.startswith("ssh") and ":" not in (found["info"] or ":") else ""
        return f"{scheme}://{user}{found['place']}"
    return url if _SCP_LIKE.fullmatch(url) else UNREADABLE


def _is_path(url: str) -> bool:
    return url.startswith((".", "~", "file:///")) or (url.startswith("/") and not url.startswith("//"))


class Masker:
    """Knows the values to mask. Safe to share between threads."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        encoded = [form.encode(errors="surrogateescape") for form in forms]
        self._text = re.compile(_grouped(forms)) if forms else None
        self._bytes = re.compile(_grouped(forms).encode(errors="surrogateescape")) if forms else None
        self._longest = max(map(len, encoded), default=0)
        self._by_first: dict[int, list[bytes]] = {}
        for form in encoded:
            self._by_first.setdefault(form[0], []).append(form)

    def text(self, text: str) -> str:
        """Return a text with the values masked."""
        return self._text.sub(MASK, text) if self._text else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with the values masked: in texts, in the keys of objects, and as numbers."""
        if self._text is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASK if number and self._text.fullmatch(str(value)) else value

    def stream(self) -> MaskedStream:
        """Begin a stream of bytes."""
        return MaskedStream(self)

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """Mask `data` up to where a value may begin that is not complete yet; return both parts."""
        if self._bytes is None:
            return data, b""
        held = self._open_end(data)
        clean, done = bytearray(), 0
        for match in self._bytes.finditer(data):
            if match.start() >= held:
                break
            clean += data[done : match.start()] + MASK.encode()
            done = match.end()
        held = max(held, done)
        return bytes(clean + data[done:held]), data[held:]

    def _open_end(self, data: bytes) -> int:
        """Return where in `data` an incomplete value may begin, or its length. No form holds a line feed."""
        for start in range(max(len(data) - self._longest + 1, data.rfind(b"\n") + 1), len(data)):
            forms = self._by_first.get(data[start])
            if forms and any(
                len(form) > len(data) - start and form.startswith(data[start:]) for form in forms
            ):
                return start
        return len(data)

    def _masked(self, data: bytes) -> bytes:
        return self._bytes.sub(MASK.encode(), data) if self._bytes else data


class MaskedStream:
    """Masks bytes as they come.

    A possible beginning of a value is held back until more bytes, or the end, come.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those that are complete, masked."""
        clean, self._held = self._masker._cut(self._held + data)  # noqa: SLF001 - two halves of one thing
        return clean

    def end(self) -> bytes:
        """Return the bytes that were held back, masked."""
        rest, self._held = self._held, b""
        return self._masker._masked(rest)  # noqa: SLF001 - as above


def _grouped(forms: Iterable[str]) -> str:
    """Return the pattern of all forms, grouped by first letter: several times faster than a flat list."""
    groups: dict[str, list[str]] = {}
    for form in forms:
        groups.setdefault(form[0], []).append(re.escape(form[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in groups.items())


def _forms(value: str) -> Iterator[str]:
    """Return the ways in which a value may be written in one line."""
    value = value.strip()
    if len(value) < SHORTEST:
        return
    raw = value.encode("utf-8", "surrogateescape")
    yield from _base64_forms(raw)
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----"))
        yield from (json.dumps(value)[1:-1], quote(raw, safe=""), quote_plus(raw), raw.hex())
        return
    urls = (quote(raw, safe=""), quote(raw), quote_plus(raw))
    yield from (value, *urls, *(re.sub("%..", lambda found: found[0].lower(), form) for form in urls))
    yield from (
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
    )
    yield from (raw.hex(), raw.hex().upper())


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Return a value in base64: whole, in broken lines, and its letters inside a longer encoded text."""
    whole = base64.b64encode(raw).decode()
    forms = [whole, whole.rstrip("=")]
    for line in BASE64_LINES:
        if len(whole) > line:
            forms += [whole[start : start + line] for start in range(0, len(whole), line)]
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # the last letter holds bits of what follows
        end = len(letters) - (1 if (before + len(raw)) % 3 else 0)
        forms.append(letters[(0, 2, 3)[before] : end])
    for form in forms:
        if len(form) >= SHORTEST_ENCODED:
            yield from (form, form.translate(_ALTERNATIVE))
