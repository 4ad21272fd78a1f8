"""The shapes of runners."""

from __future__ import annotations

from datetime import datetime

from .base import Returned


class Runner(Returned):
    """A process with a clock and workers."""

    name: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    revision: str | None
    running: int
    draining: bool


class Drained(Returned):
    """Whether a runner claims runs."""

    name: str
    draining: bool
