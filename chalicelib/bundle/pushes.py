"""Syncs that a push asks for: in the background, one at a time, and none of them lost.

A push during a sync leads to one more sync after it, however many pushes there are: the last one fetches what
all of them brought. A pin stays. After a crash the next scheduled sync does what was asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from chalicelib import logs
from chalicelib.errors import BundleError

log = logs.get(__name__)


class PushedSyncs(Protocol):
    """Who syncs after a push."""

    def ask(self) -> None:
        """Have the bundle synced soon; return at once. Raises BundleError if nobody can be asked."""


class SyncsInBackground:
    """Syncs in a thread of this process."""

    def __init__(self, sync: Callable[[], object]) -> None:
        """Call `sync` for what is asked."""
        self._sync = sync
        self._lock = threading.Lock()
        self._asked = False
        self._busy = False

    def ask(self) -> None:
        """Have the bundle synced by a thread, which is started unless it is busy."""
        with self._lock:
            self._asked = True
            if self._busy:
                return
            self._busy = True
        try:
            threading.Thread(target=self._work, name="pushed-sync", daemon=True).start()
        except RuntimeError as error:  # no thread is to be had now; the next push tries again
            with self._lock:
                self._busy = False
            raise BundleError(f"The sync cannot be started: {error}.") from None

    def _work(self) -> None:
        while self._take():
            try:
                self._sync()
            except Exception:  # a store that is away, say: the next scheduled sync does it
                log.exception("sync.after_push_failed")

    def _take(self) -> bool:
        with self._lock:
            self._busy, self._asked = self._asked, False
            return self._busy
