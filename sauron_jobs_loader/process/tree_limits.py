"""The limits of one attempt's whole process tree: memory and the number of processes, by watching.

Memory is the proportional share (PSS) of every process, so that pages shared with the zygote count once. It
is looked at once a second, the number of processes ten times a second.

Limit: what comes and goes between two looks is not seen.
"""
# this is loaded before every job, pathlib would cost it a few milliseconds
# ruff: noqa: PTH123

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from . import tree

MEMORY_SECONDS = 1.0
PROCESSES_SECONDS = 0.1
KIB_PER_MIB = 1024
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // KIB_PER_MIB


class Excess(NamedTuple):
    """A limit that the tree went over: the type of the error, and the error itself."""

    error_type: str
    error: str


class Limits:
    """Looks whether the descendants of this process keep to the limits; None is no limit."""

    def __init__(self, memory_mb: float | None = None, max_processes: int | None = None) -> None:
        self._memory_mb = memory_mb
        self._max_processes = max_processes
        self._memory_at = time.monotonic()
        self.every = None if memory_mb is None else MEMORY_SECONDS
        if max_processes is not None:
            self.every = PROCESSES_SECONDS

    @classmethod
    def of(cls, order: dict[str, Any]) -> Limits:
        """Return the limits that the runner's order names."""
        return cls(order.get("memory_mb"), order.get("max_processes"))

    def exceeded(self) -> Excess | None:
        """Return the limit that is exceeded now, or None."""
        if self.every is None:
            return None
        alive = [one.pid for one in tree.descendants(os.getpid()) if one.alive]
        if self._max_processes is not None and len(alive) > self._max_processes:
            error = f"more processes than max_processes={self._max_processes}: there were {len(alive)}"
            return Excess("process_limit", error)
        if self._memory_mb is None or time.monotonic() < self._memory_at:
            return None
        self._memory_at = time.monotonic() + MEMORY_SECONDS
        used = sum(map(pss_kb, alive)) / KIB_PER_MIB
        if used <= self._memory_mb:
            return None
        return Excess(
            "memory_limit", f"more memory than memory_mb={self._memory_mb:g}: it used {used:.0f} MB"
        )


def pss_kb(pid: int) -> int:
    """Return the proportional share of memory of a process in KiB; 0 if it is gone.

    Of a program that may not be looked into, such as sudo, it is what it shares with no file and no memory.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
            for line in rollup:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1])
    except PermissionError:
        return _unshared_kb(pid)
    except OSError:
        pass
    return 0


def _unshared_kb(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as pages:
            resident, shared = map(int, pages.read().split()[1:3])
            return (resident - shared) * _PAGE_KIB
    except OSError:
        return 0
