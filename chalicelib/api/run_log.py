"""A run's log as one text: its chunks in order, the attempts kept apart by a line where there are several.

The position of the last chunk is what a live tail sends as `after`. Asking twice for the same position
answers the same text, whatever was read before.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.model.runs import Run
from chalicelib.store import log_chunks
from chalicelib.store.database import Tx

from .routing import AT_MOST, sent_bytes

BATCH = 200


@dataclass(frozen=True, slots=True)
class LogText:
    """Text, the position after which it goes on, and whether more of it is there already."""

    text: str
    last: int
    more: bool


def read(tx: Tx, run: Run, *, after: int = 0) -> LogText:
    """Return what a run wrote after a position."""
    before = log_chunks.read(tx, run.id, after=after - 1, limit=1) if after else []
    known = bool(before) and before[0].id == after
    attempt = before[0].attempt if known else None
    ended = not known or before[0].text.endswith("\n")
    parts: list[str] = []
    last, size = after, 0
    while True:
        chunks = log_chunks.read(tx, run.id, after=last, limit=BATCH)
        if not chunks:
            return LogText("".join(parts), last, more=False)
        for chunk in chunks:
            size += sent_bytes(chunk.text)
            if size > AT_MOST and last > after:
                return LogText("".join(parts), last, more=True)
            if chunk.attempt != attempt and (chunk.attempt > 1 or run.attempt > 1):
                parts.append(f"{'' if ended else chr(10)}--- attempt {chunk.attempt} ---\n")
            attempt, ended = chunk.attempt, chunk.text.endswith("\n")
            parts.append(chunk.text)
            last = chunk.id
