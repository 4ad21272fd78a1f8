"""The log of one attempt on its way to the store: bounded, and never in the job's way.

`write` takes bytes as fast as the job prints them and only ever touches memory; `flush` moves what came since
to the store as chunks. The first HEAD characters and the last TAIL characters are kept; what falls between is
replaced by one line that says how much is missing. Who follows the log sees the tail move.

After a crash of the runner: what was flushed is there, at most a second older than what the job printed.
"""

from __future__ import annotations

import codecs
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.store import log_chunks, outbox
from chalicelib.store.database import Tx

HEAD = 512 * 1024
TAIL = 512 * 1024
CHUNK = 64 * 1024
NEWEST = outbox.TAIL_CHARS


@dataclass(slots=True)
class _Stored:
    """The stored part of the tail.

    Its chunks with their lengths, the line before them, and the characters that newer ones evicted.
    """

    chunks: deque[tuple[int, int]] = field(default_factory=deque)
    chars: int = 0
    marker: int | None = None
    evicted: int = 0

    def copy(self) -> _Stored:
        """Return a copy that may be changed alone."""
        return _Stored(self.chunks.copy(), self.chars, self.marker, self.evicted)


class AttemptLog:
    """Collects one attempt's output. `write` may be called from one thread while another flushes."""

    def __init__(self, run_id: str, attempt: int, *, head: int = HEAD, tail: int = TAIL) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.flushing = threading.Lock()  # held from before the transaction of a flush until after `settled`
        self.newest = ""  # its last NEWEST characters, stored or not
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lock = threading.Lock()
        self._head_left = head
        self._tail_size = tail
        self._pending: list[str] = []  # of the head, not stored yet
        self._ring: deque[str] = deque()  # of the tail, not stored yet
        self._ring_chars = 0
        self._lost = 0  # characters that fell out of the ring
        self._stored = _Stored()
        self._in_doubt: tuple[str, str, _Stored] | None = None

    def write(self, data: bytes) -> None:
        """Take output; never blocks on the store and never grows beyond head and tail."""
        text = self._decoder.decode(data).replace("\x00", "\ufffd")
        if text:
            with self._lock:
                self._take(text)

    def close(self) -> None:
        """Take what the decoder still holds: nothing more will be written."""
        rest = self._decoder.decode(b"", final=True)
        if rest:
            with self._lock:
                self._take(rest)

    def _take(self, text: str) -> None:
        self.newest = text[-NEWEST:] if len(text) >= NEWEST else (self.newest + text)[-NEWEST:]
        if self._head_left:
            self._pending.append(text[: self._head_left])
            text, self._head_left = text[self._head_left :], max(0, self._head_left - len(text))
        if text:
            self._ring.append(text)
            self._ring_chars += len(text)
            self._trim()

    def _trim(self) -> None:
        while (excess := self._ring_chars - self._tail_size) > 0:
            first = self._ring.popleft()
            if len(first) > excess:
                self._ring.appendleft(first[excess:])
            lost = min(len(first), excess)
            self._lost += lost
            self._ring_chars -= lost

    @property
    def dirty(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._pending or self._ring or self._in_doubt)

    def flush(self, tx: Tx, *, now: datetime) -> None:
        """Store what came since."""
        with self._lock:
            self._restore()
            head, self._pending = "".join(self._pending), []
            tail, self._ring_chars = "".join(self._ring), 0
            self._ring.clear()
            self._in_doubt = (head, tail, self._stored)
            self._stored = self._stored.copy()
        if head:
            log_chunks.append(tx, self.run_id, self.attempt, _pieces(head), now=now)
        if tail:
            self._store_tail(tx, tail, now)

    def settled(self) -> None:
        """Note that the transaction of the last flush is committed; else the next flush writes it again."""
        with self._lock:
            self._in_doubt = None

    def _restore(self) -> None:
        """Take back what a flush gave to a transaction that did not commit."""
        if self._in_doubt is not None:
            head, tail, self._stored = self._in_doubt
            self._pending.insert(0, head)
            self._ring.appendleft(tail)
            self._ring_chars += len(tail)
            self._trim()
            self._in_doubt = None

    def _store_tail(self, tx: Tx, tail: str, now: datetime) -> None:
        stored = self._stored
        if stored.marker is None:
            [stored.marker] = log_chunks.append(tx, self.run_id, self.attempt, [""], now=now)
        pieces = _pieces(tail)
        ids = log_chunks.append(tx, self.run_id, self.attempt, pieces, now=now)
        stored.chunks.extend((chunk, len(piece)) for chunk, piece in zip(ids, pieces, strict=True))
        stored.chars += len(tail)
        gone = []
        while stored.chars - stored.chunks[0][1] >= self._tail_size:
            chunk, size = stored.chunks.popleft()
            gone.append(chunk)
            stored.chars -= size
            stored.evicted += size
        log_chunks.drop(tx, gone)
        if missing := self._lost + stored.evicted:
            log_chunks.rewrite(tx, stored.marker, f"\n[... {missing} characters left out ...]\n")


def _pieces(text: str) -> list[str]:
    return [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
