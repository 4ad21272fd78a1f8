"""Wrong tokens, counted for each network that sends them: who tries many is told to wait, and is in the log.

Each network has a minute of its own, which begins with its first wrong token. Beyond `MOST` in that minute it
is told how long to wait. One warning a minute sums up what was refused.

Limits: the counts are those of this process, so each process of a function on Lambda has its own. A right
token is always let in, because behind a proxy everybody has one address: what keeps a token from being
guessed is its length. When more than `NETWORKS` try at once, the one whose minute began first is forgotten.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from chalicelib import logs
from chalicelib.clock import Clock

log = logs.get(__name__)

MOST = 100  # wrong tokens of one network in a minute
MINUTE = 60.0
NETWORKS = 1000  # counted at once


@dataclass(slots=True)
class _Minute:
    since: float
    count: int = 0
    untold: int = 0  # of them, not in the log yet


class WrongTokens:
    """Counts the wrong tokens that reached one process. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: OrderedDict[str, _Minute] = OrderedDict()  # the oldest first
        self._untold = 0
        self._next_report = -math.inf

    def note(self, network: str) -> int | None:
        """Count one wrong token; return the seconds to wait if its network has sent too many, else None."""
        now = self._clock.monotonic()
        with self._lock:
            minute = self._minutes.get(network) or _Minute(now)
            if now - minute.since >= MINUTE:
                minute = _Minute(now, untold=minute.untold)
            if minute.count == 0:
                self._minutes[network] = minute
                self._minutes.move_to_end(network)
                if len(self._minutes) > NETWORKS:
                    self._minutes.popitem(last=False)
            minute.count += 1
            minute.untold += 1
            self._untold += 1
        self.report()
        return math.ceil(MINUTE - (now - minute.since)) if minute.count > MOST else None

    def report(self) -> None:
        """Warn of the wrong tokens since the last warning, unless that is less than a minute ago."""
        now = self._clock.monotonic()
        with self._lock:
            if not self._untold or now < self._next_report:
                return
            self._next_report = now + MINUTE
            address, most = max(self._minutes.items(), key=lambda one: one[1].untold)
            told, of_it = self._untold, most.untold
            self._untold = 0
            for minute in self._minutes.values():
                minute.untold = 0
        log.warning("tokens.refused", count=told, most_from=address, of_it=of_it)
