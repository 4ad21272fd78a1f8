"""The colours of a log: what a program's SGR sequences (ECMA-48) mean with the tokens of the pages.

The colours become classes: 1 bad, 2 good, 3 warn, 4 to 6 accent, 8 quiet; bright ones are as the normal
ones, and bold stays. Black, white, backgrounds, palette colours above 15 and true colours are not taken
over, so that every text can be read in both schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_SGR = re.compile("\x1b\\[([0-9;:]*)m")
_CLASS = {1: "bad", 2: "good", 3: "warn", 4: "accent", 5: "accent", 6: "accent", 8: "quiet"}
_BOLD, _NORMAL, _DEFAULT = 1, 22, 39
_PALETTES = {38: 5, 48: 5, 58: 5}
_GREY = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line with one look; `look` are the names of classes, maybe none."""

    text: str
    look: str


@dataclass(frozen=True, slots=True)
class _Pen:
    colour: int | None = None
    bold: bool = False

    @property
    def look(self) -> str:
        names = [_CLASS[self.colour]] if self.colour in _CLASS else []
        return " ".join([*names, *(["bold"] if self.bold else [])])


def pieces(line: str) -> list[Piece]:
    """Return a line, whose only sequences are SGR, as pieces; neighbours differ in their look."""
    found: list[Piece] = []
    pen, done = _Pen(), 0
    for sequence in _SGR.finditer(line):
        _add(found, line[done : sequence.start()], pen.look)
        done = sequence.end()
        pen = _obey(pen, sequence[1])
    _add(found, line[done:], pen.look)
    return found


def without_colours(line: str) -> str:
    """Return a line without its SGR sequences."""
    return _SGR.sub("", line)


def _add(found: list[Piece], text: str, look: str) -> None:
    if found and found[-1].look == look:
        found[-1] = Piece(found[-1].text + text, look)
    elif text:
        found.append(Piece(text, look))


def _obey(pen: _Pen, sequence: str) -> _Pen:
    numbers = iter(sequence.split(";"))
    for one in numbers:
        first, *parts = one.split(":")
        number = int(first or 0) if len(first) < 4 else -1  # noqa: PLR2004 - no attribute has four digits
        if number in _PALETTES:
            colour = _palette(iter(parts) if parts else numbers)
            pen = replace(pen, colour=colour) if number == 38 else pen  # noqa: PLR2004 - of the text
        elif number == 0:
            pen = _Pen()
        elif number in (_BOLD, _NORMAL):
            pen = replace(pen, bold=number == _BOLD)
        elif number == _DEFAULT:
            pen = replace(pen, colour=None)
        elif number // 10 in (3, 9) and number % 10 < _GREY:
            pen = replace(pen, colour=_basic(number % 10 + (_GREY if number // 10 == 9 else 0)))  # noqa: PLR2004
    return pen


def _palette(numbers: Iterator[str]) -> int | None:
    """Return the colour that follows 38, 48 or 58, None if it is not among the first sixteen."""
    kind = next(numbers, "")
    if kind == "5":
        given = next(numbers, "")
        return _basic(int(given)) if given.isdigit() and len(given) < 4 else None  # noqa: PLR2004
    if kind == "2":
        for _ in range(3):
            next(numbers, None)
    return None


def _basic(number: int) -> int | None:
    """Return one of the first sixteen colours as 1 to 6 or 8; black and white are the colour of the text."""
    return _GREY if number == _GREY else number % _GREY if number < 2 * _GREY else None
