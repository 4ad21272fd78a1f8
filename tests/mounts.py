"""A small disk of its own, for what happens when it is full or read-only. Needs root that may mount."""

from __future__ import annotations

import contextlib
import shutil
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


def mkfs(image: Path, *, megabytes: int = 64) -> None:
    """Make an image file that holds an empty ext4."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)


@contextlib.contextmanager
def image_mounted(path: Path, image: Path) -> Iterator[Disk]:
    """Mount an image file. What is written there reaches the file when it is synced, or half a minute later.

    So a copy of the file is what a disk holds when the power goes. The test is skipped where that is not
    allowed.
    """
    path.mkdir(exist_ok=True)
    _mount("-t", "ext4", "-o", "loop,commit=3600", str(image), str(path))
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextlib.contextmanager
def mounted(path: Path, *, size: str = "8m", files: int = 0) -> Iterator[Disk]:
    """Mount a disk of `size` in memory, for so many files (0: any number).

    The test is skipped where that is not allowed.
    """
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size},nr_inodes={files}", "tmpfs", str(path))
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextlib.contextmanager
def with_quota(path: Path, *, size: str = "16M") -> Iterator[Disk]:
    """Mount a part of a btrfs which may hold so much, although the disk has room for more.

    The test is skipped where btrfs-progs is not installed, or nothing may be mounted.
    """
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("no quota can be set: install btrfs-progs")
    image = path.with_suffix(".btrfs")
    with image.open("wb") as file:
        file.truncate(128 << 20)
    path.mkdir()
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True, capture_output=True)
    _mount("-o", "loop", str(image), str(path))
    try:
        for words in (
            ("quota", "enable", path),
            ("subvolume", "create", path / "limited"),
            ("qgroup", "limit", size, path / "limited"),
        ):
            subprocess.run(["btrfs", *words], check=True, capture_output=True)
    finally:
        subprocess.run(["umount", path], check=True)
    _mount("-o", "loop,subvol=limited", str(image), str(path))
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
