"""Read a file that a setting names, which may be anything that has a path.

A named pipe is read once somebody writes into it: password managers put a `.env` there as a pipe. One into
which nobody writes, and a device without end, are errors within seconds instead of a start that hangs.
"""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path

MOST_BYTES = 1 << 20
PATIENCE = 5.0  # a command reads twice, and is to end within seconds
_CHUNK = 1 << 16


def content_of(path: str | Path, *, most: int = MOST_BYTES, patience: float = PATIENCE) -> bytes:
    """Return what a file holds. Raises OSError, whose `strerror` is the reason, and ValueError for a NUL.

    `patience` is for how many seconds a pipe or a terminal may be silent in all.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return _read(descriptor, most, time.monotonic() + patience)
    finally:
        os.close(descriptor)


def _read(descriptor: int, most: int, deadline: float) -> bytes:
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    found = bytearray()
    while len(found) <= most:
        # Of a pipe that nobody has opened for writing yet, a read would say that it is at its end.
        if not ready.poll(max(0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "nothing writes into this pipe or device")
        try:
            more = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            continue
        if not more:
            return bytes(found)
        found += more
    raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB")
