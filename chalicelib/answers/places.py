"""How many runs may run at once: the workers of all runners that are alive and claim runs."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model.liveness import is_stopped
from chalicelib.settings import Settings
from chalicelib.store import runners
from chalicelib.store.database import Tx


@dataclass(frozen=True, slots=True)
class Places:
    """How many runs may run at once, 0 if all runners are drained, and the names of those that claim."""

    workers: int
    runners: AbstractSet[str]


def places(tx: Tx, settings: Settings, *, now: datetime) -> Places:
    """Return the places of all runners that claim.

    Each has as many workers as this process's settings say. Where no runner is alive it is as if one were.
    """
    alive = [one for one in runners.all_runners(tx) if not is_stopped(now - one.seen_at)]
    claiming = {one.name for one in alive if not one.draining}
    return Places(settings.workers * (len(claiming) if alive else 1), claiming)
