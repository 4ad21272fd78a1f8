"""How many runs may run at once: the workers of all runners that are alive and claim runs."""

from __future__ import annotations

from datetime import datetime

from chalicelib.model.liveness import is_stopped
from chalicelib.settings import Settings
from chalicelib.store import runners
from chalicelib.store.database import Tx


def places(tx: Tx, settings: Settings, *, now: datetime) -> int:
    """Return how many runs may run at once, 0 if all runners are drained.

    Each has as many workers as this process's settings say. Where no runner is alive it is as if one were.
    """
    alive = [one for one in runners.all_runners(tx) if not is_stopped(now - one.seen_at)]
    claiming = sum(not one.draining for one in alive) if alive else 1
    return settings.workers * claiming
