"""The log of one attempt on its way to the store: bounded, and never in the job's way.

`write` takes bytes as fast as the job prints them and only ever touches memory; `flush` moves what came since to the store as
chunks. The first HEAD characters and the last TAIL characters are kept; what falls between is replaced by one line that says how
much is missing. A live reader sees the tail move.

After a crash of the runner: what was flushed is there, at most a second older than what the job printed.
"""

from __future__ import annotations

import codecs
import threading
from collections import deque
from datetime import datetime

from .store import output
from .store.database import Tx

HEAD = 512 * 1024
TAIL = 512 * 1024
CHUNK = 64 * 1024


class AttemptLog:
    """Collects one attempt's output. `write` may be called from one thread while another flushes."""

    def __init__(self, run_id: str, attempt: int, *, head: int = HEAD, tail: int = TAIL) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lock = threading.Lock()
        self._head_left = head
        self._tail_size = tail
        self._pending: list[str] = []  # of the head, not stored yet
        self._ring: deque[str] = deque()  # of the tail, not stored yet
        self._ring_chars = 0
        self._stored: deque[tuple[int, int]] = deque()  # (chunk id, characters) of the tail in the store
        self._stored_chars = 0
        self._marker: int | None = None
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Take output; never blocks on the store and never grows beyond head and tail."""
        text = self._decoder.decode(data).replace("\x00", "\ufffd")
        if text:
            with self._lock:
                self._take(text)

    def _take(self, text: str) -> None:
        if self._head_left:
            self._pending.append(text[: self._head_left])
            text, self._head_left = text[self._head_left :], max(0, self._head_left - len(text))
        if text:
            self._ring.append(text[-self._tail_size :])
            self._dropped += len(text) - len(self._ring[-1])
            self._ring_chars += len(self._ring[-1])
            while self._ring_chars > self._tail_size:
                excess = self._ring_chars - self._tail_size
                first = self._ring.popleft()
                if len(first) > excess:
                    self._ring.appendleft(first[excess:])
                lost = min(len(first), excess)
                self._dropped += lost
                self._ring_chars -= lost

    @property
    def dirty(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._pending or self._ring)

    def flush(self, tx: Tx, *, now: datetime, last: bool = False) -> None:
        """Store what came since; with `last` also what the decoder still holds."""
        if last:
            tail = self._decoder.decode(b"", final=True)
            if tail:
                with self._lock:
                    self._take(tail)
        with self._lock:
            head, self._pending = "".join(self._pending), []
            tail, self._ring_chars = "".join(self._ring), 0
            self._ring.clear()
        if head:
            output.append(tx, self.run_id, self.attempt, _pieces(head), now=now)
        if tail:
            self._store_tail(tx, tail, now)

    def _store_tail(self, tx: Tx, tail: str, now: datetime) -> None:
        if self._marker is None:
            [self._marker] = output.append(tx, self.run_id, self.attempt, [""], now=now)
        pieces = _pieces(tail)
        ids = output.append(tx, self.run_id, self.attempt, pieces, now=now)
        self._stored.extend((chunk, len(piece)) for chunk, piece in zip(ids, pieces, strict=True))
        self._stored_chars += len(tail)
        gone = []
        while self._stored_chars - self._stored[0][1] >= self._tail_size:
            chunk, size = self._stored.popleft()
            gone.append(chunk)
            self._stored_chars -= size
            self._dropped += size
        output.drop(tx, gone)
        if self._dropped:
            output.rewrite(tx, self._marker, f"\n[... {self._dropped} characters left out ...]\n")


def _pieces(text: str) -> list[str]:
    return [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
