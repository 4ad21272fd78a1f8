"""Masking of secrets in text before the text is kept, shown or sent.

A known value is found as it is, in base64 (also inside a longer encoded text), in hex, with any of its
characters escaped as in an address, JSON, HTML, source code or a shell (`escapes.py`), and in a stream also
when it is split over writes. A value of several lines is found line by line. The user information of an
address is found by its place. Masking a text twice changes nothing.

Limit: a value that is transformed in another way (base32, reversed, encrypted, one letter a line) is not
found. Values shorter than SHORTEST (lines of a longer value: SHORTEST_LINE) are not masked, because they
would mask ordinary words.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from .escapes import Spellings, parts

MASK = "***"
SHORTEST = 4
SHORTEST_ENCODED = 8  # letters of base64: fewer are found in ordinary text
SHORTEST_LINE = 8  # of a value of several lines, such as a private key
BASE64_LINES = (76, 64)  # letters after which MIME and base64(1), and PEM break the line

# user and password of an address; the user name `git` alone opens nothing
_USER_INFORMATION = re.compile(r"(?<=://)(?!git@)([^/\s]+)@")
_ALTERNATIVE = str.maketrans("+/", "-_")

PUBLIC_USERS = frozenset(
    {
        "x-access-token",
        "x-token-auth",
        "x-bitbucket-api-token-auth",
        "x-oauth-basic",
        "oauth2",
        "gitlab-ci-token",
    }
)
"""User names beside a git token that every host's manual has: no secrets."""
UNREADABLE = "an address that cannot be read"
_SCHEME = re.compile(r"\A(?:[a-z][a-z0-9+.-]*:)?/+", re.IGNORECASE)
_SSH_USER = re.compile(r"(?:git\+)?ssh://([a-z0-9_.+-]+)", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<info>[^/?#@\s\\]*)@)?"
    r"(?P<place>(?:\[[0-9a-f:.]+\]|[^/?#@\s\\:\[\]]+)(?::\d*)?(?:/[^?#@\s]*)?)(?:[?#][^@]*)?",
    re.IGNORECASE,
)
_SCP_LIKE = re.compile(
    r"(?P<user>[a-z0-9_.+-]+)@(?P<place>(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):[^@\s]+)"
    r"|git@[a-z0-9_.-]+/[^@\s]+",
    re.IGNORECASE,
)
LONGEST_USER = 19  # letters of a user name of ssh that is shown: a longer one may be a token


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
    another one. The user name alone of an ssh address opens nothing and is none, if it is no longer than
    LONGEST_USER.
    """
    before, at, _ = url.rpartition("@")
    if not at or _is_path(url):
        return set()
    if found := _SCP_LIKE.fullmatch(url) or _SSH_USER.fullmatch(before):
        return {found[1]} if found[1] and len(found[1]) > LONGEST_USER else set()
    whole = _SCHEME.sub("", before.lstrip("./"))
    if whole in PUBLIC_USERS:
        return set()
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
        name = found["info"] or ""
        shown = scheme.startswith("ssh") and name and ":" not in name and len(name) <= LONGEST_USER
        return f"{scheme}://{name}@{found['place']}" if shown else f"{scheme}://{found['place']}"
    if match := _SCP_LIKE.fullmatch(url):
        return url if len(match["user"] or "") <= LONGEST_USER else match["place"]
    return UNREADABLE


def _is_path(url: str) -> bool:
    if "://" in url and "@" in url and not url.startswith("file:"):
        return False  # an address with a slip before its scheme
    return url.startswith((".", "~", "file:///")) or (url.startswith("/") and not url.startswith("//"))


Form = tuple[str | Spellings, ...]  # pieces that are written as they are, and characters with spellings


class Masker:
    """Knows the values to mask. Safe to share between threads."""

    def __init__(self, values: Iterable[str], *, shortest: int = SHORTEST) -> None:
        """Mask `values`, and lines of them, that have at least `shortest` characters."""
        known = {form for value in values for form in _forms(value, shortest)}
        self._forms = sorted(known, key=_length, reverse=True)
        self._pieces = {_longest_piece(form) for form in self._forms}
        self._longest = max(map(_length, self._forms), default=0)
        self._by_first: dict[int, list[tuple[bytes | Spellings, ...]]] = {}
        for form in self._forms:
            encoded = tuple(
                part.encode(errors="surrogateescape") if isinstance(part, str) else part for part in form
            )
            first = encoded[0]
            for letter in {first[0]} if isinstance(first, bytes) else first.trie:
                self._by_first.setdefault(letter, []).append(encoded)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_grouped(self._forms))

    @cached_property
    def _bytes(self) -> re.Pattern[bytes]:
        return re.compile(_grouped(self._forms).encode(errors="surrogateescape"))

    def text(self, text: str) -> str:
        """Return a text with the values masked."""
        # most texts hold no piece of a value: they need no pattern, whose making takes milliseconds
        return self._pattern.sub(MASK, text) if any(piece in text for piece in self._pieces) else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with the values masked: in texts, in the keys of objects, and as numbers."""
        if not self._forms:
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
        return MASK if number and self.text(str(value)) == MASK else value

    def stream(self) -> MaskedStream:
        """Begin a stream of bytes."""
        return MaskedStream(self)

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """Mask `data` up to where a value may begin that is not complete yet; return both parts."""
        if not self._forms:
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
            if forms and any(_may_go_on(form, data, start) for form in forms):
                return start
        return len(data)

    def _masked(self, data: bytes) -> bytes:
        return self._bytes.sub(MASK.encode(), data) if self._forms else data


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


def _longest_piece(form: Form) -> str:
    """Return the longest text that a form always holds, empty where every character has spellings."""
    return max((part for part in form if isinstance(part, str)), key=len, default="")


def _length(form: Form) -> int:
    """Return the bytes of a form where it is longest."""
    return sum(
        len(part.encode(errors="surrogateescape")) if isinstance(part, str) else part.longest for part in form
    )


def _may_go_on(form: tuple[bytes | Spellings, ...], data: bytes, start: int) -> bool:
    """Return whether the end of `data` from `start` is the beginning of a form, and not the whole."""
    places = {start}
    for part in form:
        after: set[int] = set()
        for place in places:
            if isinstance(part, bytes):
                if data.startswith(part, place):
                    after.add(place + len(part))
                elif part.startswith(data[place : place + len(part)]):
                    return True  # only the end of the data can be shorter
            elif part.read(data, place, after):
                return True
        if not after:
            return False
        places = after
    return False


def _grouped(forms: Iterable[Form]) -> str:
    """Return the pattern of all forms, grouped by first letter: several times faster than a flat list."""
    groups: dict[str, list[str]] = {}
    for form in forms:
        first, rest = form[0], "".join(map(_pattern, form[1:]))
        if isinstance(first, str):
            groups.setdefault(first[0], []).append(re.escape(first[1:]) + rest)
            continue
        for letter, after in first.by_first_letter():
            groups.setdefault(letter, []).append(after + rest)
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in groups.items())


def _pattern(part: str | Spellings) -> str:
    return re.escape(part) if isinstance(part, str) else part.pattern


def _forms(value: str, shortest: int) -> Iterator[Form]:
    """Return the ways in which a value may be written in one line."""
    value = value.strip()
    if len(value) < shortest:
        return
    raw = value.encode("utf-8", "surrogateescape")
    yield from ((form,) for form in (*_base64_forms(raw), raw.hex(), raw.hex().upper()))
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) == 1:
        yield parts(value)
        return
    least = max(SHORTEST_LINE, shortest)
    known = [line for line in lines if len(line) >= least and not line.startswith("-----")]
    yield from map(parts, known)
    if any(line not in known and not line.startswith("-----") for line in lines):
        yield parts("\n".join(lines))  # a short line is masked as a part of the whole only


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
