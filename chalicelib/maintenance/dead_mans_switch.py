"""The dead man's switch: an outside monitor is pinged every minute while all is well, and alerts when not.

The address is a secret: what goes wrong is told without it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib import __version__
from chalicelib.http_deadline import closed_after
from chalicelib.model.liveness import is_ticking
from chalicelib.text import unreachable

SECONDS = 5.0  # the time limit of each step of a request
STEPS = 3  # connecting, sending and the answer: the whole takes no longer than so many
SYNC_FRESH = timedelta(hours=1)
INTERVALS = 3  # so many syncs may fail before the bundle is stale


def ping(url: str, *, seconds: float = SECONDS) -> str | None:
    """Ask the address; return None, or why that failed."""
    import httpx

    try:
        with (
            httpx.Client(
                timeout=seconds, follow_redirects=False, headers={"User-Agent": f"sauron/{__version__}"}
            ) as client,
            closed_after(client, STEPS * seconds),
            client.stream("GET", url) as answer,
        ):
            return None if answer.is_success else f"it answered {answer.status_code}"
    except Exception as error:  # noqa: BLE001 - whatever the network, a proxy or an address throw
        return unreachable(error, seconds)


def stale(
    now: datetime,
    *,
    last_tick: datetime | None,
    workers_alive: bool,
    bundle_configured: bool,
    last_sync: datetime | None,
    refresh_interval: timedelta,
    store_whole: bool = True,
) -> list[str]:
    """Return what is not fresh; an empty list means that all is well.

    With a `refresh_interval` of 0 no sync is owed.

    A store that cannot be read needs no line: all this has just been read from it.
    """
    found = [] if store_whole else ["store"]
    if not is_ticking(last_tick, now):
        found.append("tick")
    if not workers_alive:
        found.append("workers")
    owed = bundle_configured and bool(refresh_interval)
    if owed and (last_sync is None or now - last_sync > max(SYNC_FRESH, INTERVALS * refresh_interval)):
        found.append("sync")
    return found
