"""The cells of a line on a terminal: a wide letter takes two, a mark joins the letter before it.

What is drawn over one half of a wide letter leaves a blank in place of the other half, as terminals do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Letters that may take two cells or none; lines without them are read faster.
WIDE = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u05c7\u0600-\u1dff\u200b-\u200f\u2060-\u206f\u20d0-\u20ff\u2300-\u23ff"
    "\u25fd-\u27bf\u2900-\u2bff\u2ce0-\u2cff\u2d7f-\u2dff\u2e80-\U0010ffff]"
)

Cell = tuple[str, str]  # a letter with its marks, and its colours; "" is the second half of a wide letter


def cells_of(text: str, pen: str) -> Iterable[Cell]:
    """Return the cells that a text takes: a wide letter takes two, a mark joins the letter before it."""
    if not WIDE.search(text):
        return [(letter, pen) for letter in text]
    cells: list[Cell] = []
    for letter in text:
        if cells and is_mark(letter):
            join(cells, len(cells) - 1, letter)
            continue
        cells.append((letter, pen))
        if unicodedata.east_asian_width(letter) in {"W", "F"}:
            cells.append(("", pen))
    return cells


def is_mark(letter: str) -> bool:
    """Return whether a letter takes no cell of its own."""
    return bool(unicodedata.combining(letter)) or unicodedata.category(letter) in {"Mn", "Me", "Cf"}


def marks_before(text: str) -> int:
    """Count the marks at the beginning of a text: they belong to a letter that was written before."""
    return next((at for at, letter in enumerate(text) if not is_mark(letter)), len(text))


def join(cells: list[Cell], at: int, marks: str) -> None:
    """Let marks join the letter of a cell, which may be the second half of a wide one."""
    if cells[at][0] == "" and at:
        at -= 1
    cells[at] = (cells[at][0] + marks, cells[at][1])


def halve(cells: list[Cell], at: int) -> None:
    """Make two blanks of a wide letter whose second half is this cell, because one half is drawn over."""
    if 0 < at < len(cells) and cells[at][0] == "":
        cells[at - 1], cells[at] = (" ", cells[at - 1][1]), (" ", cells[at][1])
