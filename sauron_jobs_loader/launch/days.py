"""Which day it was when a bundle was loaded: in UTC, on this machine, and in the zones of its jobs.

A module that asks for today's date while it is loaded keeps that date as long as its process lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Days:
    """The dates at one instant. Two of one bundle are equal while no date has changed."""

    zones: tuple[tzinfo, ...]
    dates: tuple[date, ...]

    @classmethod
    def of(cls, jobs: Iterable[Mapping[str, Any]], instant: datetime) -> Self:
        """Return the dates at an aware instant in each zone that these records of jobs name."""
        zones: list[tzinfo] = [UTC]
        for name in sorted({str(job.get("timezone")) for job in jobs} - {"UTC"}):
            try:
                zones.append(ZoneInfo(name))
            except (KeyError, ValueError, OSError):
                continue  # such a job is rejected when its schedule is read
        return cls(tuple(zones), ()).at(instant)

    def at(self, instant: datetime) -> Self:
        """Return the dates of the same zones at another instant."""
        dates = (instant.astimezone().date(), *(instant.astimezone(zone).date() for zone in self.zones))
        return type(self)(self.zones, dates)
