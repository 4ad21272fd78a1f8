"""The C library's heap: one for all threads.

glibc gives threads heaps of their own, eight for each core, so that they do not wait for each other. Python's
threads wait for each other anyway, and what one of them frees in its heap no other uses again: under load a
runner's memory grew by as much as it used.
"""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8


def share_heap() -> None:
    """Let all threads that begin from now on use one heap. Does nothing where there is never another."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
