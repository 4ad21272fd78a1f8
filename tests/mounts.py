"""A small disk of its own, for what happens when it is full or read-only. Needs root that may mount."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Disk:
    """A mounted disk."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)


@contextlib.contextmanager
def mounted(path: Path, *, size: str = "8m", files: int = 0) -> Iterator[Disk]:
    """Mount a disk of `size` in memory, for so many files (0: any number).

    The test is skipped where that is not allowed.
    """
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={files}", "tmpfs", path],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
