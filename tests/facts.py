"""Waiting for what becomes true in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(fact: Callable[[], object], *, seconds: float = 10) -> None:
    """Return once `fact()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)
