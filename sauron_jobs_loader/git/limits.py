"""How large the tree of a commit may be, counted before or while it is written.

A commit of a few kilobytes can stand for millions of files, or for folders deeper than programs go. Both
readers of a repository keep the same limits. They are far above what a bundle needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sauron_jobs_loader.errors import SourceError, SourceFault

_SHOWN_PATH = 60
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """The most that one commit may hold."""

    depth: int = 100  # folders inside each other
    entries: int = 200_000  # files and folders
    size: int = 2048 * _MB  # of all files, unpacked


class TreeCount:
    """Counts the entries of one commit's tree."""

    def __init__(self, sha: str, limits: TreeLimits) -> None:
        self._sha = sha
        self._limits = limits
        self._entries = 0
        self._size = 0

    def add(self, path: bytes, size: int) -> None:
        """Count a file of `size` bytes, or a folder, at `path` in the commit. Raises SourceError."""
        self._entries += 1
        self.add_size(size)
        if path.count(b"/") >= self._limits.depth:
            shown = path[:_SHOWN_PATH].decode("utf-8", "replace")
            raise self._refused(f"holds folders more than {self._limits.depth} deep ({shown}...)")
        if self._entries > self._limits.entries:
            raise self._refused(f"holds more than {self._limits.entries} files and folders")

    def add_size(self, size: int) -> None:
        """Count bytes alone. Raises SourceError."""
        self._size += size
        if self._size > self._limits.size:
            raise self._refused(f"holds more than {self._limits.size // _MB} MB")

    def _refused(self, why: str) -> SourceError:
        return SourceError(
            f"revision {self._sha[:12]} {why}; a bundle holds jobs: "
            "remove what is not needed, keep data elsewhere, and push again",
            fault=SourceFault.UNSAFE_CONTENT,
            ref=self._sha,
        )


def reader_of_ls_tree(count: TreeCount) -> Callable[[bytes], None]:
    """Return what takes the output of `git ls-tree -r -t -l -z` in pieces and counts it."""
    rest = bytearray()

    def take(data: bytes) -> None:
        nonlocal rest
        rest += data
        *lines, rest = rest.split(b"\0")
        for line in lines:
            head, _, path = line.partition(b"\t")
            size = head.split()[-1]
            count.add(bytes(path), int(size) if size.isdigit() else 0)

    return take
