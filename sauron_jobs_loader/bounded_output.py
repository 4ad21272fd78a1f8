"""The beginning and the end of output that may be too long to keep whole.

Limit: held in memory, at most about twice `last` more than `first`.
"""

from __future__ import annotations


class BoundedOutput:
    """Keeps the first `first` and the last `last` bytes of those it takes. For one thread at a time."""

    def __init__(self, *, first: int = 0, last: int = 0) -> None:
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
        """Return the kept output, with a line that says how many bytes were left out."""
        self._trim()
        if not self._left_out:
            return self.kept()
        head, tail = _decoded(self._head), _decoded(self._tail)
        between = f"[... {self._left_out} bytes left out ...]\n"
        return f"{head}\n{between}{tail}" if head else between + tail

    def kept(self) -> str:
        """Return the kept output alone: the beginning and, right after it, the end."""
        self._trim()
        return _decoded(self._head + self._tail)

    def last_lines(self) -> str:
        """Return the end of the output without the line that was cut, unless that is all there is.

        Half a line could hold half a secret, which a search for the whole secret does not find.
        """
        self._trim()
        return _decoded(self._tail[self._tail.find(b"\n") + 1 :] if self._left_out else self._tail)

    def _trim(self) -> None:
        surplus = len(self._tail) - self._last
        if surplus > 0:
            self._left_out += surplus
            del self._tail[:surplus]


def _decoded(data: bytearray) -> str:
    return data.decode("utf-8", "replace")
