"""Telling every worker of the store that runs may be due, by all the ways that lead to one.

The ways are this process's own signals, runners on this machine (`peers`), runners on other machines
(`notify`) and Lambda's workers (`sqs`). Each may lose or repeat a wake-up; both are harmless, because
everybody who is woken looks at the store, and a tick looks anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Way(Protocol):
    """One way to wake workers. A failure is logged, never raised: the store already holds what is due."""

    def notify(self) -> None:
        """Wake every worker that this way leads to."""


class Waker:
    """Wakes by every way it was given, in their order. Safe to share between threads."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = tuple(ways)

    def wake(self) -> None:
        """Let every worker of this store look at the queue now."""
        for way in self._ways:
            way.notify()
