r"""The ways in which programs write one character: encoded for an address, escaped for a language or a shell.

A text of letters, digits and `-`, `_`, `.` is written as it is; so are the letters and digits of every text.
Every other character has spellings, for example `%2F`, `%252f`, `\u002f`, `\x2F`, `&#47;`, `&sol;`, `\/` and
`/` itself. A program may use another one for each character, so a text is found by a choice per character,
not by a list of encoders.

Limit: letters and digits that are escaped although nothing demands it, and line breaks of quoted-printable.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from typing import Any

Way = tuple[Sequence[str], ...]  # one text of each, one after another
Node = dict[Any, Any]  # of a trie: a letter leads to the next node, "" marks an end

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_PARTS = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_NAMED = {"\n": "n", "\r": "r", "\t": "t", "\f": "f", "\b": "b", "\v": "v", "\x1b": "e", "\0": "0"}
_DOUBLED = "'\"%$"  # by SQL, YAML, CSV, batch and ini files
_BACKSLASHES = tuple("\\" * count for count in range(1, 8))  # JSON within JSON within JSON has seven
_LEADS = _BACKSLASHES[:4]  # the same before a letter
_IN_ADDRESS = ("%5c", "%5C")  # a backslash
_AMPERSANDS = ("&", r"\u0026", r"\\u0026")
_MIXED = 2  # letters among hex digits whose cases are combined; more are all upper or all lower
_LATIN_1_END = 0x100
_LONE_BYTES = range(0xDC80, 0xDD00)  # bytes that are not UTF-8, as Python writes them


@dataclass(frozen=True, slots=True, eq=False)
class Spellings:
    """The spellings of one character: as a pattern of texts, and as a trie of bytes."""

    ways: tuple[Way, ...]
    pattern: str
    trie: Node
    longest: int

    def by_first_letter(self) -> Iterator[tuple[str, str]]:
        """Return each first letter with the pattern of what follows it."""
        rests: dict[str, list[str]] = {}
        for first, *others in self.ways:
            for letter in dict.fromkeys(text[0] for text in first):
                below = [text[1:] for text in first if text[0] == letter]
                rests.setdefault(letter, []).append(_joined([below, *others]))
        for letter, ways in rests.items():
            yield letter, ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"

    def read(self, data: bytes, start: int, ends: set[int]) -> bool:
        """Add the places where a spelling from `start` on ends; return whether the data ends within one."""
        node = self.trie
        for place in range(start, len(data)):
            if "" in node:
                ends.add(place)
            node = node.get(data[place], {})
            if not node:
                return False
        if "" in node:
            ends.add(len(data))
        return len(node) > ("" in node)


def parts(text: str) -> tuple[str | Spellings, ...]:
    """Cut a text into pieces that are written as they are, and characters with spellings."""
    if _PLAIN.fullmatch(text):
        return (text,)
    return tuple(
        piece if piece.isascii() and piece.isalnum() else spellings(piece) for piece in _PARTS.findall(text)
    )


@lru_cache(maxsize=1024)
def spellings(character: str) -> Spellings:
    """Return the spellings of a character. No spelling holds a line feed."""
    ways = tuple(_ways(character))
    texts = {
        "".join(texts).encode(errors="surrogateescape") for way in ways for texts in itertools.product(*way)
    }
    pattern = f"(?:{'|'.join(_joined(way) for way in ways)})"
    return Spellings(ways, pattern, _trie(texts), max(map(len, texts)))


def _ways(character: str) -> Iterator[Way]:
    """Return the ways to write a character. Where one begins another, the longer one comes first."""
    if character == "'":
        yield (["'"], [*_LEADS], ["''"])  # a shell's '\'' and '"'"'
        yield (["'"], ['"', r"\"", r"\\\""], ["'"], ['"', r"\"", r"\\\""], ["'"])
    if character in _DOUBLED:
        yield ([character * 2],)
    if character == "\n":
        yield (["%0D%0A", "%0d%0a", r"\r\n", r"\\r\\n"],)
    ampersands, bodies = _AMPERSANDS, sorted(_html_names(character))
    yield (ampersands, ["amp;amp;", "amp;", ""], bodies, [";"])
    if character in "'\"":  # JSON or source code in HTML
        yield (_LEADS[:3], ampersands, ["amp;", ""], bodies, [";"])
    yield from _in_bytes(character)
    yield from _in_source(character)
    if character == " ":
        yield (["+", "%2B", "%2b"],)
    if character == "\\":
        yield (["\\" * count for count in range(1, 9)],)
    elif character != "\n":
        yield (_BACKSLASHES, [character])
        yield ([character],)


def _in_bytes(character: str) -> Iterator[Way]:
    """Return the ways of an address, of JSON in an address, quoted-printable, source code and LDAP."""
    raw = {character.encode(errors="surrogateescape")}
    if ord(character) < _LATIN_1_END:
        raw.add(bytes([ord(character)]))
    for one in raw:
        numbers = [_cased(f"{byte:02x}") for byte in one]
        yield from _each(["%", "%25", "%2525"], numbers)
        yield (_IN_ADDRESS, *(way for number in numbers for way in (["%"], number)))
        yield from _each(["="], numbers)
        yield from _each([f"{lead}x" for lead in _LEADS], numbers)
        yield from _each(_LEADS, numbers)
        yield from _each(_LEADS, [[f"{byte:03o}"] for byte in one])


def _in_source(character: str) -> Iterator[Way]:
    """Return the ways that write the character's number, or its letter in source code."""
    if ord(character) in _LONE_BYTES:
        return
    pairs, number = character.encode("utf-16-be"), f"{ord(character):x}"
    units = [pairs[start : start + 2].hex() for start in range(0, len(pairs), 2)]
    yield from _each([*(f"{lead}u" for lead in (*_LEADS, *_IN_ADDRESS)), "%u"], list(map(_cased, units)))
    yield (_LEADS, ["u{"], _cased(number), ["}"])
    yield (_LEADS, ["U"], _cased(number.zfill(8)))
    if letter := _NAMED.get(character):
        yield ([*_LEADS, *_IN_ADDRESS], [letter])


def _each(leads: Sequence[str], numbers: Sequence[Sequence[str]]) -> Iterator[Way]:
    """Return the ways to write every number with the same text before it."""
    if len(numbers) == 1:
        yield (leads, numbers[0])
        return
    for lead in leads:
        yield tuple(way for number in numbers for way in ([lead], number))


def _html_names(character: str) -> Iterator[str]:
    number = ord(character)
    yield from {f"#{number:0{width}}" for width in (1, 3, 4)}
    hexadecimal = {number for width in (1, 2, 4) for number in _cased(f"{ord(character):0{width}x}")}
    yield from (f"#{mark}{number}" for mark in "xX" for number in hexadecimal)
    yield from _names().get(character, ())


@lru_cache(maxsize=1)
def _names() -> dict[str, set[str]]:
    """Return the names that HTML has for characters."""
    names: dict[str, set[str]] = {}
    for name, character in html5.items():
        if name.endswith(";"):
            names.setdefault(character, set()).add(name[:-1])
    return names


def _cased(number: str) -> list[str]:
    """Return a number in hex in lower, upper and mixed case."""
    if sum(digit.isalpha() for digit in number) > _MIXED:
        return [number, number.upper()]
    cases = itertools.product(*(sorted({digit, digit.upper()}) for digit in number))
    return ["".join(one) for one in cases]


def _joined(way: Sequence[Sequence[str]]) -> str:
    return "".join(map(_one_of, way))


def _one_of(texts: Sequence[str]) -> str:
    """Return the pattern of some texts, longest first."""
    counts = [len(text) for text in texts]
    letters = set("".join(texts))
    if len(letters) == 1 and len(texts) > 1:
        return f"{re.escape(*letters)}{{{min(counts)},{max(counts)}}}"  # the counts have no gap
    return _pattern(_trie(texts))


def _trie(texts: Iterable[Any]) -> Node:
    root: Node = {}
    for text in texts:
        node = root
        for letter in text:
            node = node.setdefault(letter, {})
        node[""] = {}
    return root


def _pattern(node: Node) -> str:
    """Return the pattern of what a trie of texts holds below a node."""
    same: dict[str, list[str]] = {}
    for letter, below in node.items():
        if letter:
            same.setdefault(_pattern(below), []).append(letter)
    if not same:
        return ""
    branches = [
        (re.escape(letters[0]) if len(letters) == 1 else f"[{''.join(map(re.escape, letters))}]") + rest
        for rest, letters in same.items()
    ]
    whole = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
    return f"(?:{whole})?" if "" in node else whole
