"""When a failed attempt is tried again."""

from __future__ import annotations

import hashlib
from datetime import timedelta

CEILING = timedelta(hours=1)
SPREAD = 0.10


def backoff(base: timedelta, attempt: int, run_id: str) -> timedelta:
    """Return the delay after failed attempt number `attempt`: base, 2 x base, 4 x base ... at most an hour, plus up to 10 %.

    The spread is a stable hash of run and attempt, so that runs which failed together do not come back
    together and the same question always has the same answer.
    """
    doublings = min(max(attempt, 1) - 1, 32)
    delay = min(base * (1 << doublings), CEILING)
    digest = hashlib.sha256(f"{run_id}/{attempt}".encode()).digest()
    return delay * (1 + SPREAD * int.from_bytes(digest[:4]) / 0xFFFFFFFF)
