"""A run's log as one text: its chunks in order, with a line before each attempt where there are several.

The position of the last chunk is what a live tail sends as `after`. The same position always gives the same
text, whatever was read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.model.runs import Run
from chalicelib.store import log_chunks
from chalicelib.store.database import Tx
from chalicelib.store.log_chunks import Chunk
from chalicelib.terminal.screen import MOST_UP, Screen

from .response_size import sent_bytes, take_within

BATCH = 200  # chunks read in one statement


@dataclass(frozen=True, slots=True)
class LogText:
    """A page of a log: its text, the position to read on from, and whether more is stored already."""

    text: str
    last: int
    more: bool


def read(tx: Tx, run: Run, *, after: int = 0) -> LogText:
    """Return what a run wrote after a position, at most one response of it."""
    chunks, more = take_within(_chunks(tx, run.id, after), size=lambda chunk: sent_bytes(chunk.text))
    text = "".join(with_headings(chunks, _chunk_at(tx, run.id, after), several=run.attempt > 1))
    return LogText(text, chunks[-1].id if chunks else after, more)


def tail(tx: Tx, run: Run, *, characters: int) -> tuple[str, bool]:
    """Return the last characters of a log as people see it, and whether something comes before them."""
    screen, cut, after, more = Screen(), False, 0, True
    while more:
        page = read(tx, run, after=after)
        screen.feed(page.text)
        after, more = page.last, page.more
        cut |= _forget_beginning(screen, characters)
    screen.end()
    shown = "\n".join(screen.rows())
    return shown[-characters:], cut or len(shown) > characters


def _forget_beginning(screen: Screen, characters: int) -> bool:
    """Let go of lines that are not among the last characters nor in reach of the cursor."""
    kept = 0
    rows = screen.rows()
    for number in range(len(rows) - 1, -1, -1):
        kept += len(rows[number]) + 1
        if kept > characters and len(rows) - number > MOST_UP:
            screen.forget(number)
            return number > 0
    return False


def with_headings(chunks: Iterable[Chunk], previous: Chunk | None, *, several: bool) -> Iterator[str]:
    """Yield the chunks' texts, with a heading where an attempt begins; a run's only attempt has none.

    `previous` is the chunk before the first one, None at the beginning of the log.
    """
    for chunk in chunks:
        begins = previous is None or previous.attempt != chunk.attempt
        if begins and (several or chunk.attempt > 1):
            line_is_open = previous is not None and not previous.text.endswith("\n")
            yield f"{chr(10) if line_is_open else ''}--- attempt {chunk.attempt} ---\n"
        yield chunk.text
        previous = chunk


def _chunks(tx: Tx, run_id: str, after: int) -> Iterator[Chunk]:
    while batch := log_chunks.read(tx, run_id, after=after, limit=BATCH):
        yield from batch
        after = batch[-1].id


def _chunk_at(tx: Tx, run_id: str, position: int) -> Chunk | None:
    found = log_chunks.read(tx, run_id, after=position - 1, limit=1) if position else []
    return found[0] if found and found[0].id == position else None
