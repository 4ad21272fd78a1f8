"""Whether the kernel killed processes for want of memory while an attempt ran, and what the limit is.

The kernel counts such kills for each memory cgroup. Attempts run in the runner's cgroup, so its count before
and after an attempt is compared.

Limit: the count is of all processes in the cgroup. It does not say which of them were killed.
"""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path

MEBIBYTE = 1 << 20
NO_LIMIT = 1 << 60  # version 1 writes about 2 ** 63


class OomWatch:
    """Counts the kills from when this is made or copied. Reads the cgroup below `root`, of version 2 or 1."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._mount, path = _places(root)
        self._count, self._limit = (
            ("memory.oom_control", "memory.limit_in_bytes")
            if self._mount.name == "memory"
            else ("memory.events", "memory.max")
        )
        # A container without a namespace for cgroups sees its own one where all are mounted.
        self._folder = self._mount / path.lstrip("/")
        if not (self._folder / self._count).exists():
            self._folder = self._mount
        self._counter = str(self._folder / self._count)
        self._before = self._kills()

    def from_now(self) -> OomWatch:
        """Return a copy that counts from now on."""
        copied = copy.copy(self)
        copied._before = copied._kills()  # noqa: SLF001 - its own copy
        return copied

    def kills(self) -> int | None:
        """Return how many processes of the cgroup were killed for want of memory; None if not known."""
        now = self._kills()
        return None if now is None or self._before is None else now - self._before

    def limit_mb(self) -> int | None:
        """Return the lowest limit on the cgroup and those above it in mebibytes; None if none is seen."""
        limits = []
        folder = self._folder
        while folder.is_relative_to(self._mount):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((folder / self._limit).read_text()))
            folder = folder.parent
        lowest = min(limits, default=NO_LIMIT)
        return None if lowest >= NO_LIMIT else lowest // MEBIBYTE

    def _kills(self) -> int | None:
        with contextlib.suppress(OSError, ValueError), io.FileIO(self._counter) as counts:  # twice an attempt
            for line in counts.readall().splitlines():
                name, _, value = line.partition(b" ")
                if name == b"oom_kill":
                    return int(value)
        return None


def _places(root: Path) -> tuple[Path, str]:
    """Return where the cgroups of memory are mounted, and the path of this process's own below that."""
    mount = root / "sys/fs/cgroup"
    own = "/"
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            path = "/" if ".." in path.split("/") else path  # it lies outside what this process sees
            if "memory" in controllers.split(","):
                return mount / "memory", path
            if not controllers:
                own = path
    return mount, own
