"""When Sauron's clock counts as stopped, as having been down, and as set back.

The limits answer different questions. `STOPPED_AFTER` is for people and monitors: a tick comes once a
minute, and three missing ones are no longer chance. `DOWNTIME` is for the ledger: a tick queues occurrences
HORIZON ahead, so only after a longer silence have occurrences been missed. `SET_BACK` is more than the clocks
of several machines differ by.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .occurrences import HORIZON, ON_TIME

STOPPED_AFTER = timedelta(minutes=3)
DOWNTIME = HORIZON + ON_TIME
SET_BACK = timedelta(minutes=2)


def is_stopped(silence: timedelta) -> bool:
    """Say whether a loop that did nothing for so long has stopped."""
    return silence > STOPPED_AFTER


def is_ticking(last_tick: datetime | None, now: datetime) -> bool:
    """Say whether the clock runs, by the last completed tick of the store (None: there never was one)."""
    return last_tick is not None and not is_stopped(now - last_tick)


def was_down(last_tick: datetime | None, now: datetime) -> bool:
    """Say whether the last tick is so long ago that occurrences were missed. A new store was never down."""
    return last_tick is not None and now - last_tick > DOWNTIME


def was_set_back(came_to: datetime, now: datetime) -> bool:
    """Say whether the clock was set back, by how far ticks had come before."""
    return came_to - now > SET_BACK
