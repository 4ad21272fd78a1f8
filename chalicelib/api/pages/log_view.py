"""The log of a run as its page shows it: numbered lines with their time and colours, a part of it at a time.

Only the newest pieces of a long log are read, and at most `ROOM` bytes of a page are filled with lines, so a
log of any length costs the same. Lines before what is read are in the text that can be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape

from chalicelib.api.run_log import with_headings
from chalicelib.model.runs import Run
from chalicelib.store import log_chunks
from chalicelib.store.database import Tx
from chalicelib.terminal.screen import Screen
from chalicelib.text import safe
from chalicelib.web.colours import Piece, pieces, without_colours

READ = 1 << 20  # characters that are read, from the end
ROOM = 44 * 1024  # bytes of lines on a page, with their markup
MOST = 400  # lines on a page
LONGEST = 4000  # characters of a line
_AROUND = 150  # bytes of markup that a line has
_AROUND_PIECE = 24

Drawn = Callable[[int], Sequence[Piece]]  # a line, by its place among those that were read


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, when it was stored, its pieces; `hit` when it holds what is looked for."""

    number: int
    at: datetime | None
    pieces: Sequence[Piece]
    hit: bool

    @property
    def is_bad(self) -> bool:
        """Return whether the program itself painted a part of it as an error."""
        return any("bad" in piece.look.split() for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class LogView:
    """A part of a log.

    `total` counts the lines of the whole log, `begins` is the number before the first line that was read.
    `earlier` and `later` are what `after` is for the lines before and after these; None if there are none.
    `hits` are the numbers of all lines that were read and match.
    """

    lines: Sequence[Line]
    total: int
    begins: int
    earlier: int | None
    later: int | None
    hits: Sequence[int]
    newest_at: datetime | None

    @property
    def is_whole(self) -> bool:
        """Return whether these are all lines."""
        return self.earlier is None and self.later is None and not self.begins


def view(tx: Tx, run: Run, *, after: int | None = None, wanted: str | None = None) -> LogView:
    """Return the lines after a number, by default the last ones, with those that hold `wanted` marked."""
    newest, earlier_lines = log_chunks.newest(tx, run.id, characters=READ)
    rows, stamps = _rows(newest, several=run.attempt > 1)
    looked = (wanted or "").casefold()
    hits = [
        earlier_lines + at + 1
        for at, row in enumerate(rows)
        if looked and looked in safe(without_colours(row)).casefold()
    ]
    drawn = cache(lambda at: _drawn(rows[at]))
    first, last = _part(drawn, len(rows), None if after is None else max(0, after - earlier_lines))
    matching = set(hits)
    lines = [
        Line(number := earlier_lines + at + 1, stamps[at], drawn(at), hit=number in matching)
        for at in range(first, last)
    ]
    return LogView(
        lines=lines,
        total=earlier_lines + len(rows),
        begins=earlier_lines,
        earlier=_start_before(drawn, first) + earlier_lines if first else None,
        later=earlier_lines + last if last < len(rows) else None,
        hits=hits,
        newest_at=newest[-1].written_at if newest else None,
    )


def _rows(chunks: Sequence[log_chunks.Written], *, several: bool) -> tuple[list[str], list[datetime | None]]:
    """Return the lines as people see them, and when each was begun."""
    screen = Screen(colours=True)
    stamps: list[datetime | None] = []
    previous = None
    for chunk in chunks:
        for text in with_headings([chunk], previous, several=several):
            screen.feed(text)
        previous = chunk
        count = screen.count() - chunk.text.endswith("\n")  # the next line begins with what comes next
        stamps = stamps[:count] + [chunk.written_at] * (count - len(stamps))
    screen.end()
    rows = screen.rows()
    if rows and not rows[-1]:
        rows.pop()
    last = previous.written_at if previous else None
    return rows, [*stamps, *[last] * (len(rows) - len(stamps))]


def _drawn(row: str) -> list[Piece]:
    """Return a line as pieces; of a very long one its beginning and its end, without colours."""
    if len(row) <= LONGEST:
        return pieces(row)
    text = without_colours(row)
    left_out = f" [... {len(text) - LONGEST} characters are in the download ...] "
    half = LONGEST // 2
    return [Piece(text[:half], ""), Piece(left_out, "quiet"), Piece(text[-half:], "")]


def _part(drawn: Drawn, count: int, after: int | None) -> tuple[int, int]:
    """Return where the lines that fit on a page begin and end."""
    if after is None:
        return _start_before(drawn, count), count
    first = max(0, min(after, count - 1))
    left = ROOM - _size(drawn(first)) if count else 0
    last = min(first + 1, count)
    while last < count and last - first < MOST and (left := left - _size(drawn(last))) >= 0:
        last += 1
    return first, last


def _start_before(drawn: Drawn, end: int) -> int:
    """Return where the lines begin that fit on a page and end here."""
    first, left = end, ROOM
    while first and end - first < MOST and (left := left - _size(drawn(first - 1))) >= 0:
        first -= 1
    return min(first, max(0, end - 1))


def _size(line: Sequence[Piece]) -> int:
    return _AROUND + sum(_AROUND_PIECE + len(escape(piece.text).encode("utf-8", "replace")) for piece in line)
