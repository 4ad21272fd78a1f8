"""Threads that may not end by themselves: one that does, by an exception or a return, is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chalicelib import logs

log = logs.get(__name__)


class Threads:
    """Makes the threads of one runner. `stopping` tells them to end; `failed`: one ended before."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.failed = threading.Event()

    def make(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Make a thread, not started yet."""

        def body() -> None:
            try:
                work()
            except BaseException:
                log.critical("thread.crashed", thread=name, exc_info=True)
            if not self.stopping.is_set():
                self.failed.set()

        return threading.Thread(target=body, name=name, daemon=True)
