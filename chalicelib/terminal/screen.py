"""What people see of a program's output: the last state of each line, as a terminal shows it.

Programs draw progress by going back: with a carriage return, a backspace, or sequences that move the cursor
and erase (tqdm, rich, pip, docker). What was drawn over is not shown. Nothing is left of any other sequence,
so that the text drives no terminal; colours are kept if asked for.

Limits: lines are as long as the program wrote them, for nobody knows how wide its terminal would have been.
The cursor goes back `MOST_UP` lines at most. A sequence that clears the whole screen, or moves to a place of
it, hides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from chalicelib.text import RESET, SEQUENCE, UNFINISHED, conceals, holds_control, safe

from .cells import WIDE, Cell, cells_of, halve, join, marks_before

MOST_UP = 200
MOST_RIGHT = 2000  # where a sequence can put the cursor
LONGEST_SEQUENCE = 4096  # letters that are waited for
LONGEST_PEN = 200
TAIL_READ = 1 << 21  # letters that are read for the end of a log


class Line:
    """One line: a text while it only grows, cells once something is written over."""

    __slots__ = ("cells", "drawn_over", "known", "text")

    def __init__(self) -> None:
        self.text = ""
        self.drawn_over = False  # blanks at its end are what is left of something longer
        self.cells: list[Cell] | None = None
        self.known: str | None = None  # how the cells are shown, until one is changed

    def as_cells(self) -> list[Cell]:
        """Return the line as cells, which may be changed."""
        if self.cells is None:
            self.cells = list(cells_of(self.text, ""))
        self.known = None
        return self.cells

    def shown(self, *, closed: bool) -> str:
        """Return the line; with `closed`, colours end at its end."""
        if self.cells is None:
            return self.text.rstrip(" ") if self.drawn_over else self.text
        if closed and self.known is not None:
            return self.known
        parts, pen = [], ""
        for colours, group in itertools.groupby(self.cells, key=lambda cell: cell[1]):
            parts.append((RESET if pen else "") + colours + "".join(letter for letter, _ in group))
            pen = colours
        text = "".join(parts) + (RESET if pen and closed else "")
        text = text.rstrip(" ") if self.drawn_over and not pen else text
        self.known = text if closed else None
        return text


class Screen:
    """Takes output piece by piece; `rows` are the lines as they are now."""

    def __init__(self, *, colours: bool = False) -> None:
        """Begin with an empty line; with `colours`, these are kept."""
        self._colours = colours
        self._lines = [Line()]
        self._row = 0
        self._column: int | None = None  # None: at the end of the line
        self._saved: tuple[int, int | None] = (0, None)
        self._pen = ""
        self._held = ""

    def feed(self, text: str) -> None:
        """Take a piece of output. What may be the beginning of a sequence waits for the rest of it."""
        text = self._held + text
        unfinished = UNFINISHED.search(text, max(0, len(text) - LONGEST_SEQUENCE))
        complete = unfinished.start() if unfinished else len(text)
        self._held = text[complete:]
        for number, piece in enumerate(text[:complete].split("\n")):
            if number:
                self._next_line()
            self._take(piece)

    def end(self) -> None:
        """Take what was held back, although it is not complete."""
        held, self._held = self._held, ""
        self._take(held)

    def rows(self, *, closed: bool = True) -> list[str]:
        """Return the lines; unless `closed`, the colours of the last one are still on after it."""
        last = len(self._lines) - 1
        return [line.shown(closed=closed or number < last) for number, line in enumerate(self._lines)]

    def count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def forget(self, count: int) -> None:
        """Let go of the first lines; the cursor goes back to the first that is left at most."""
        del self._lines[:count]
        self._row = max(0, self._row - count)
        self._saved = (max(0, self._saved[0] - count), self._saved[1])

    def _take(self, piece: str) -> None:
        """Take text of one line, with whatever moves the cursor out of it."""
        line = self._lines[self._row]
        if not holds_control(piece) and not self._pen:
            self._write(piece)
        elif not self._drawn_over(line, piece):
            done = 0
            for found in SEQUENCE.finditer(piece):
                self._write(piece[done : found.start()])
                done = found.end()
                self._obey(found[0])
            self._write(piece[done:])

    def _drawn_over(self, line: Line, piece: str) -> bool:
        """Take a line of states between carriage returns at once; return whether it is no more than that."""
        states = piece.split("\r")
        at_edge = self._column in {None, 0}
        if line.cells is not None or self._pen or not at_edge or any(map(holds_control, states)):
            return False
        if WIDE.search(piece) or WIDE.search(line.text):
            return False
        states = [line.text, *states] if self._column == 0 else [line.text + states[0], *states[1:]]
        text = states[-1]
        for earlier in reversed(states[:-1]):
            text += earlier[len(text) :]
        line.text = text
        line.drawn_over |= sum(map(bool, states)) > 1
        self._column = None if len(states[-1]) == len(text) else len(states[-1])
        return True

    def _write(self, text: str) -> None:
        if not text:
            return
        line = self._lines[self._row]
        if line.cells is None and self._column is None and not self._pen:
            line.text += text
            return
        cells, column = line.as_cells(), self._place()
        cells += [(" ", "")] * (column - len(cells))
        if column and (marks := marks_before(text)):
            join(cells, column - 1, text[:marks])
            text = text[marks:]
        new = list(cells_of(text, self._pen))
        line.drawn_over |= column < len(cells)
        end = column + len(new)
        if new:
            halve(cells, column)
            halve(cells, end)
        cells[column:end] = new
        self._column = end

    def _next_line(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append(Line())
            self._column = None
        else:
            self._column = 0

    def _place(self) -> int:
        """Return the column of the cursor."""
        return len(self._lines[self._row].as_cells()) if self._column is None else self._column

    def _obey(self, sequence: str) -> None:
        if sequence == "\r":
            self._column = 0
        elif sequence == "\b":
            self._column = max(0, self._place() - 1)
        elif sequence == "\x1b7":
            self._saved = self._row, self._place()
        elif sequence == "\x1b8":
            self._restore()
        elif sequence == "\x1bM":
            self._go_up(1)
        elif sequence.startswith(("\x1b[", "\x9b")):
            self._obey_csi(sequence.removeprefix("\x1b[").removeprefix("\x9b"))

    def _obey_csi(self, sequence: str) -> None:
        arguments, act = sequence[:-1], sequence[-1:]
        if act == "m":
            self._colour(f"\x1b[{sequence}")
        elif not arguments or (arguments.isascii() and arguments.isdigit()):
            self._move(act, int(arguments[:6] or 0))

    def _move(self, act: str, count: int) -> None:
        """Move the cursor, or erase, as a CSI sequence with this last letter and at most one number says."""
        steps = max(1, count)
        if act == "K":
            self._erase_in_line(count)
        elif act == "J":
            self._erase_below(count)
        elif act in {"A", "F"}:
            self._go_up(steps)
        elif act in {"B", "E"}:
            column = self._place()
            self._row, self._column = min(self._row + steps, len(self._lines) - 1), column
        elif act in {"C", "D", "G"}:
            here = self._place()
            to = {"C": here + steps, "D": here - steps, "G": steps - 1}[act]
            self._column = max(0, min(to, max(MOST_RIGHT, here)))
        elif act == "s":
            self._saved = self._row, self._place()
        elif act == "u":
            self._restore()
        if act in {"E", "F"}:
            self._column = 0

    def _go_up(self, count: int) -> None:
        column = self._place()
        self._row = max(0, len(self._lines) - MOST_UP, self._row - count)
        self._column = column

    def _restore(self) -> None:
        self._row, self._column = min(self._saved[0], len(self._lines) - 1), self._saved[1]

    def _erase_in_line(self, what: int) -> None:
        cells, column = self._lines[self._row].as_cells(), self._place()
        self._lines[self._row].drawn_over = True
        if what == 0:
            halve(cells, column)
            del cells[column:]
        else:
            end = min(column + 1, len(cells)) if what == 1 else len(cells)
            halve(cells, end)
            cells[:end] = [(" ", "")] * end
        self._column = column

    def _erase_below(self, what: int) -> None:
        if what == 0:
            self._erase_in_line(0)
            del self._lines[self._row + 1 :]

    def _colour(self, sequence: str) -> None:
        if not self._colours or conceals(sequence):
            return
        plain = sequence in {"\x1b[m", RESET} or len(self._pen) > LONGEST_PEN
        self._pen = "" if plain else self._pen + sequence


def as_shown(text: str) -> str:
    """Return what people see of an output, without colours."""
    if not holds_control(text):
        return text
    screen = Screen()
    screen.feed(text)
    screen.end()
    return safe("\n".join(screen.rows()))


def tail_as_shown(newest_first: Iterable[str], characters: int) -> str:
    """Return the last characters that people see of an output; its pieces are read as far as necessary."""
    pieces: list[str] = []
    read, enough = 0, characters
    for piece in newest_first:
        pieces.append(piece)
        read += len(piece)
        if read < enough:
            continue
        shown = as_shown("".join(reversed(pieces)))
        if len(shown) >= characters or read >= TAIL_READ:
            return shown[-characters:]
        enough = 2 * read
    return as_shown("".join(reversed(pieces)))[-characters:]
