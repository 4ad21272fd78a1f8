"""A process whose wall clock is off by what a file says; its monotonic clock goes on as it was."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.outside import ROOT

SHIFTED = """
import datetime, os, time

PLACE = os.environ["CLOCK_SHIFT_FILE"]
real, real_time, real_ns = datetime.datetime, time.time, time.time_ns

def shift():
    with open(PLACE) as file:
        return float(file.read() or 0)

class Kind(type):
    def __instancecheck__(cls, one):
        return isinstance(one, real)

class Shifted(real, metaclass=Kind):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds=shift())

    @classmethod
    def utcnow(cls):
        return real.utcnow() + datetime.timedelta(seconds=shift())

datetime.datetime = Shifted
time.time = lambda: real_time() + shift()
time.time_ns = lambda: real_ns() + int(shift() * 1e9)
"""


class OtherClock:
    """What a process needs in its environment to have another clock, which may be set while it runs."""

    def __init__(self, folder: Path, seconds: float = 0) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SHIFTED, encoding="utf-8")
        self._place = folder / "shift"
        self.environ = {
            "PYTHONPATH": f"{folder}:{ROOT}:{ROOT / 'container'}",
            "CLOCK_SHIFT_FILE": str(self._place),
        }
        self.set(seconds)

    def now(self) -> float:
        """Return what it shows, in seconds since 1970."""
        return time.time() + self._seconds

    def set(self, seconds: float) -> None:
        """Set it: so many seconds after this machine's."""
        self._seconds = seconds
        written = self._place.with_suffix(".new")
        written.write_text(str(seconds), encoding="ascii")
        written.replace(self._place)
