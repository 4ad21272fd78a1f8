"""The questions that people and programs ask of a Sauron, for every door alike.

Each method takes plain arguments and returns a dict that is ready for JSON, so that HTTP, the command line
and the assistant give the same answer to the same question. Asking changes nothing.
"""

from __future__ import annotations

from chalicelib.clock import Clock
from chalicelib.settings import Settings
from chalicelib.store import Store


class Questions:
    """The questions about one store. Safe to share between threads."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
