"""What attempts wrote: chunks of text in the order of their arrival, bounded per attempt.

A chunk's id is its position: a live tail asks for what came after the last id it saw. Chunks dropped from the
middle of a long output leave a line that says how much is missing (the writer puts it there).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from chalicelib.text import storable

from .database import Tx
from .schema import log_chunks

PAGE = 64  # chunks read in one statement
_c = log_chunks.c
_newest = (
    select(_c.id, _c.text)
    .where(_c.run_id == bindparam("run"), _c.id < bindparam("before"))
    .order_by(_c.id.desc())
    .limit(PAGE)
)
_newest_of_attempt = _newest.where(_c.attempt == bindparam("nth"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an attempt's output; `id` is its position in the run's log."""

    id: int
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class Written(Chunk):
    """A piece of output with the instant at which it was stored."""

    written_at: datetime


_newest_written = (
    select(_c.id, _c.attempt, _c.text, _c.written_at)
    .where(_c.run_id == bindparam("run"), _c.id < bindparam("before"))
    .order_by(_c.id.desc())
    .limit(PAGE)
)
_lines_before = select(
    func.coalesce(func.sum(func.length(_c.text) - func.length(func.replace(_c.text, "\n", ""))), 0)
).where(_c.run_id == bindparam("run"), _c.id < bindparam("before"))


_append = insert(log_chunks)


def append(tx: Tx, run_id: str, attempt: int, texts: Sequence[str], *, now: datetime) -> list[int]:
    """Add chunks in their order and return their ids."""
    ids = []
    for text in texts:
        row = {"run_id": run_id, "attempt": attempt, "written_at": now, "text": storable(text)}
        key = tx.execute(_append, row).inserted_primary_key
        ids.append(int(key[0]) if key else 0)
    return ids


def drop(tx: Tx, ids: Sequence[int]) -> None:
    """Delete chunks whose place newer ones take."""
    if ids:
        tx.execute(delete(log_chunks).where(_c.id.in_(ids)))


def rewrite(tx: Tx, chunk_id: int, text: str) -> None:
    """Replace a chunk's text."""
    tx.execute(update(log_chunks).where(_c.id == chunk_id).values(text=text))


def read(tx: Tx, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Chunk]:
    """Return a run's chunks after a position, oldest first."""
    rows = tx.execute(
        select(_c.id, _c.attempt, _c.text)
        .where(_c.run_id == run_id, _c.id > after)
        .order_by(_c.id)
        .limit(limit)
    )
    return [Chunk(*row) for row in rows]


def newest_first(tx: Tx, run_id: str, *, attempt: int | None = None) -> Iterator[str]:
    """Yield what a run, or one attempt of it, wrote, from the last chunk back; read as far as asked."""
    before, query = 2**62, _newest if attempt is None else _newest_of_attempt
    while True:
        rows = tx.execute(query, {"run": run_id, "nth": attempt, "before": before}).all()
        yield from (text for _, text in rows)
        if len(rows) < PAGE:
            return
        before = rows[-1][0]


def newest(tx: Tx, run_id: str, *, characters: int) -> tuple[list[Written], int]:
    """Return the last pieces of a run's log in their order, and how many lines come before them.

    They have about so many characters; the last piece is always whole.
    """
    found: list[Written] = []
    before, left, more = 2**62, characters, True
    while more and left > 0:
        rows = tx.execute(_newest_written, {"run": run_id, "before": before}).all()
        more = len(rows) == PAGE
        for row in rows:
            if left <= 0:
                more = True
                break
            found.append(Written(*row))
            left -= len(row.text)
            before = row.id
    found.reverse()
    if not more:
        return found, 0
    return found, int(tx.execute(_lines_before, {"run": run_id, "before": before}).scalar() or 0)


def prune(tx: Tx, *, before: datetime, most: int) -> int:
    """Delete up to `most` chunks written before an instant; return how many."""
    ids = (
        tx.execute(select(_c.id).where(_c.written_at < before).order_by(_c.written_at).limit(most))
        .scalars()
        .all()
    )
    drop(tx, ids)
    return len(ids)
