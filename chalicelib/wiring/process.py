"""The one Sauron of this process."""

from __future__ import annotations

import threading
from pathlib import Path

from chalicelib import logs
from chalicelib.aws import ssm
from chalicelib.clock import Clock, SystemClock
from chalicelib.operations.wrong_tokens import WrongTokens
from chalicelib.settings import Settings

from .composition import build
from .parts import COMMAND_LINE, LAMBDA, Sauron


class Process:
    """This process's settings and its one Sauron, each made when it is first asked for.

    `wrong_tokens` counts in this process, also before there is a Sauron: refusing opens nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sauron: Sauron | None = None
        self._settings: Settings | None = None
        self._clock: Clock | None = None
        self.wrong_tokens = WrongTokens(SystemClock())

    @property
    def built(self) -> Sauron | None:
        """The Sauron if something has asked for it, else None."""
        return self._sauron

    @property
    def clock(self) -> Clock:
        """The Sauron's clock if there is a Sauron, else this machine's: asking the time opens nothing."""
        return self._sauron.clock if self._sauron else SystemClock()

    def get(self) -> Sauron:
        """Return the Sauron, built now from the environment and `.env` if it is not there.

        Raises SettingsError, StoreError.
        """
        with self._lock:
            if self._sauron is None:
                settings = self.settings()
                runtime = LAMBDA if settings.function else COMMAND_LINE
                self._sauron = build(settings, runtime=runtime, clock=self._clock)
            return self._sauron

    def settings(self) -> Settings:
        """Return the settings before anything is opened: refusing a caller costs no connection.

        Raises SettingsError.
        """
        with self._lock:
            if self._sauron is not None:
                return self._sauron.settings
            if self._settings is None:
                self._settings = self._read()
            return self._settings

    def set(self, sauron: Sauron | None, *, clock: Clock | None = None) -> None:
        """Make this the process's Sauron; None: build one at the next call, by this clock if given."""
        with self._lock:
            self._sauron, self._settings, self._clock = sauron, None, clock
            self.wrong_tokens = WrongTokens(sauron.clock if sauron else SystemClock())

    def _read(self) -> Settings:
        settings = Settings.load(Path.cwd(), parameters=ssm.read)
        if settings.function:
            logs.configure(settings.log_level, secrets=settings.secret_values)
        return settings


PROCESS = Process()
