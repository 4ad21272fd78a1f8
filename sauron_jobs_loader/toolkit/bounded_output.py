"""Output that may be too long to keep whole: its beginning and its end, and how much was left out between them.

Limit: held in memory, at most about twice `last` more than `first`.
"""

from __future__ import annotations


class BoundedOutput:
    """Takes bytes as they come; keeps the first `first` and the last `last` of them."""

    def __init__(self, *, first: int, last: int) -> None:
        self._first = first
        self._last = last
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take more output."""
        room = self._first - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._last + 1024:
            self._trim()

    def text(self) -> str:
        """Return what was kept, with a line that says how much is left out."""
        self._trim()
        head, tail = (bytes(part).decode("utf-8", "replace") for part in (self._head, self._tail))
        if not self._left_out:
            return bytes(self._head + self._tail).decode("utf-8", "replace")
        between = f"[... {self._left_out} bytes left out ...]\n"
        return f"{head}\n{between}{tail}" if head else between + tail

    def _trim(self) -> None:
        surplus = len(self._tail) - self._last
        if surplus > 0:
            self._left_out += surplus
            del self._tail[:surplus]
