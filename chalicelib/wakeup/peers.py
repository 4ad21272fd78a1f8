"""Processes that share one state folder: which of them live, and how they wake each other.

Every runner holds a lock file, which the operating system frees when the runner is gone, and listens on a
datagram socket beside it. A wake-up carries nothing: it says "look at the store". It may be lost (a full
socket) or sent twice, and both are harmless, because a runner also looks when its next run is due and once a
minute.

After a crash the files stay and the lock is free: that is how a peer is known to be gone, at once and
for certain. Limit: this sees processes of one machine; on another, `gone` returns False and the lease
decides.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path


class Peers:
    """The folder of lock files and sockets, and this process's own pair once it has joined."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name: str | None = None
        self._lock: int | None = None
        self._socket: socket.socket | None = None

    @property
    def lock_descriptor(self) -> int | None:
        """The descriptor of the own lock. While a child holds it, this runner does not count as gone."""
        return self._lock

    def join(self, name: str) -> None:
        """Take the own lock and listen for wake-ups."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._name = name
        self._lock = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        with _short(self._folder) as short:
            self._socket.bind(f"{short}/{name}.sock")

    def leave(self) -> None:
        """Stop listening and let the lock go."""
        if self._name is None:
            return
        for end in ("sock", "lock"):
            (self._folder / f"{self._name}.{end}").unlink(missing_ok=True)
        if self._socket is not None:
            self._socket.close()
        if self._lock is not None:
            os.close(self._lock)
        self._name = self._socket = self._lock = None

    def wait(self, seconds: float) -> bool:
        """Sleep until a wake-up or for so long; return whether there was one. Many wake-ups are one."""
        if self._socket is None:
            raise RuntimeError("join before wait")
        ready, _, _ = select.select([self._socket], [], [], max(0.0, seconds))
        if ready:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._socket.recv(16)
        return bool(ready)

    def wake_self(self) -> None:
        """Wake this process's own `wait`."""
        if self._name is not None:
            self._send([f"{self._name}.sock"])

    def notify(self) -> None:
        """Wake every runner of this folder, this one too."""
        with contextlib.suppress(FileNotFoundError):
            self._send([file.name for file in self._folder.glob("*.sock")])

    def _send(self, files: list[str]) -> None:
        with (
            _short(self._folder) as short,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
        ):
            for file in files:
                with contextlib.suppress(OSError):  # gone, or full: then it is awake already
                    sender.sendto(b"!", f"{short}/{file}")

    def gone(self, name: str) -> bool:
        """Say whether a runner of this machine, and all it started, is certainly gone."""
        lock = self._folder / f"{name}.lock"
        if name == self._name:
            return False
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def alive(self) -> list[str]:
        """Return the names of the other runners of this machine that live, or whose jobs do."""
        names = sorted(lock.name.removesuffix(".lock") for lock in self._folder.glob("*.lock"))
        return [name for name in names if name != self._name and not self.gone(name)]

    def any_gone(self) -> bool:
        """Say whether a peer is gone and its files are still there."""
        return any(self.gone(lock.name.removesuffix(".lock")) for lock in self._folder.glob("*.lock"))

    def sweep(self, keep: frozenset[str]) -> list[str]:
        """Remove the files of peers that are gone, except those in `keep`; return their names."""
        swept = []
        for lock in self._folder.glob("*.lock"):
            name = lock.name.removesuffix(".lock")
            if name not in keep and self.gone(name):
                lock.with_name(f"{name}.sock").unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
                swept.append(name)
        return swept


def runners_folder(store: Path) -> Path:
    """Return the folder of the lock files of those who live on an SQLite store."""
    return store.with_name(store.name + ".runners")


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Give a folder a short name for a while: a socket's path holds 107 bytes at most."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
