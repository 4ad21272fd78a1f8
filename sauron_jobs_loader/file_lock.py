"""A lock between processes and threads, made of one file.

The lock belongs to the open file, so it ends with the last process that has the file open, also by `kill -9`.
A child that inherits the file descriptor keeps the lock until it ends. Limits: one machine, a local file
system; a thread that takes the lock twice waits for itself until the time limit.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from .errors import SourceError, SourceFault
from .ownership import cure

_POLL_SECONDS = 0.02


@contextmanager
def file_lock(path: Path, *, timeout: timedelta, shared: bool = False) -> Iterator[int]:
    """Hold the lock at `path` and yield its file descriptor.

    Raises SourceError after waiting for `timeout`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SourceError(
            f"cannot open the lock file {path}: {cure(path, error, below=path.parent)}",
            fault=SourceFault.STORAGE,
        ) from error
    try:
        _wait_for(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, kind: int, path: Path, timeout: timedelta) -> None:
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise SourceError(
                    f"another process has held {path} for more than {timeout.total_seconds():g} seconds; "
                    "wait for its sync to end, or end that process",
                    fault=SourceFault.BUSY,
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
