"""The lock file beside an SQLite store: who opens the store shares it, who replaces the store has it alone.

A process that opened the file of before, and then finds the log of the new one, would mix both. The lock ends
with the process that holds it, also by `kill -9`. The file stays: deleted, two processes could hold one each.
Limit: one machine; a program that is not Sauron does not ask for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from chalicelib.errors import StoreError

from .permissions import open_lock_file

RESTORING = ".restoring"  # beside the store: the copy that is to replace it


class UseLock:
    """This process's share in the use of one store. Safe between threads."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._descriptor: int | None = None
        self._changing = threading.Lock()

    def share(self) -> None:
        """Use the store until `release`; a second call does nothing.

        Raises StoreError while the store is being replaced, or when its replacement was cut off.
        """
        with self._changing:
            if self._descriptor is None:
                self._descriptor = _locked(
                    self._store,
                    fcntl.LOCK_SH,
                    f"The store {self._store} is being replaced by `sauron restore`. Wait until it has "
                    "ended, then start again.",
                )
        if not self._store.exists() and self._store.with_name(self._store.name + RESTORING).exists():
            raise StoreError(
                f"A restore of {self._store} was cut off before the copy was in place. Do it again: "
                f"sauron restore FILE. If there was a store before, it is {self._store}.before-restore-TIME."
            )

    def release(self) -> None:
        """Let go, if it was shared."""
        with self._changing:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


@contextlib.contextmanager
def alone(store: Path) -> Iterator[None]:
    """Keep every other Sauron from opening the store. Raises StoreError if one has it open."""
    descriptor = _locked(
        store,
        fcntl.LOCK_EX,
        f"Another process has {store} open: Sauron, or a command of it. End it, then restore.",
    )
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(store: Path, kind: int, refusal: str) -> int:
    descriptor = open_lock_file(store, ".lock")
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(refusal) from None
    return descriptor
