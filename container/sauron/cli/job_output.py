"""Print what a job wrote as a terminal shows it: the last state of each line, and colours on a terminal.

On a terminal a line that changes is drawn anew. In a pipe, where nothing can be taken back, it is printed
again when it is complete. With `--raw` everything passes as the job wrote it.
"""

from __future__ import annotations

import codecs
import shutil
from typing import TextIO

from chalicelib.terminal.screen import MOST_UP, Screen
from chalicelib.text import safe

RAW_HELP = "Print control sequences too, as the job wrote them: they may drive the terminal."


class JobOutput:
    """Prints the output of one run as it comes."""

    def __init__(self, stream: TextIO, *, raw: bool) -> None:
        """Print on `stream`; with `raw`, every letter as the job wrote it."""
        self._stream = stream
        self._raw = raw
        self._watched = stream.isatty()
        self._screen = Screen(colours=self._watched)
        self._printed: list[str] = []  # the screen's rows as they were printed
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, text: str) -> None:
        """Print a piece of the output."""
        if self._raw:
            self._stream.write(text)
        else:
            self._screen.feed(text)
            self._print_changes()
        self._stream.flush()

    def write_bytes(self, data: bytes) -> None:
        """Print a piece of the output that is not decoded yet."""
        if self._raw:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        else:
            self.write(self._decoder.decode(data))

    def end(self) -> None:
        """Print what was held back: an incomplete sequence, or a line that was still changing."""
        if not self._raw:
            self.write(self._decoder.decode(b"", final=True))
            self._screen.end()
            self._print_changes(ended=True)
        self._stream.flush()

    def _print_changes(self, *, ended: bool = False) -> None:
        """Print what is new on the screen, and what changed."""
        rows, old = self._screen.rows(closed=ended), self._printed
        same = next((n for n, (row, was) in enumerate(zip(rows, old, strict=False)) if row != was), len(old))
        last = len(old) - 1  # where the cursor of whoever reads this is
        if same > last:
            parts = ["" if not old else "\n", "\n".join(rows[same:])] if rows[same:] else []
        elif same == last and rows[same].startswith(old[same]):
            parts = ["\n".join([rows[same][len(old[same]) :], *rows[same + 1 :]])]
        elif self._watched and self._fit(old[same:]):
            up = f"\x1b[{last - same}A" if last > same else ""
            parts = [up, "\r\x1b[J", "\n".join(rows[same:])]
        elif len(rows) > len(old) or ended:
            parts = ["\n" if old[last] else "", "\n".join(rows[same:])]
        else:
            return  # it may change again before it is complete
        self._stream.write("".join(parts))
        if len(rows) > 2 * MOST_UP:
            self._screen.forget(len(rows) - MOST_UP)
            rows = rows[-MOST_UP:]
        self._printed = rows

    def _fit(self, rows: list[str]) -> bool:
        """Return whether each of these takes one line of the terminal, so that it can be drawn anew."""
        size = shutil.get_terminal_size()
        return len(rows) < size.lines and all(len(safe(row)) < size.columns for row in rows)
