"""What a check returns: which kind of thing can be wrong, and how its subject stands."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any

SAURON = "sauron"  # the subject of what is wrong with Sauron itself


class Kind(StrEnum):
    """What can be wrong."""

    FAILING = "failing"
    LATE = "late"
    MISSED = "missed"
    REJECTED = "rejected"
    SLOW = "slow"  # an attempt takes longer than its job's `slow_after_seconds`; the subject is its run
    SYNC = "sync"
    MANIFEST = "manifest"
    OUTBOX = "outbox"
    DISK = "disk"
    CLOCK = "clock"


OF_RUNS = (Kind.FAILING, Kind.LATE, Kind.MISSED)
EVENTS = (Kind.MISSED, Kind.SLOW)  # told once: neither its end nor a reminder is
OF_SAURON = (Kind.SYNC, Kind.MANIFEST, Kind.OUTBOX, Kind.DISK, Kind.CLOCK)


class Status(Enum):
    """What a check found."""

    OK = auto()
    WRONG = auto()
    UNCHANGED = auto()  # it cannot be seen now, or was not asked for: an open incident stays, none is opened
    NOT_APPLICABLE = auto()  # the job is off or gone, or nothing is configured: an incident ends with that


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How a subject stands: since when and why, shown by which run.

    For OK, `since` is when it ceased to be wrong. `another` says that what is wrong is not the open incident
    but a new one of its kind.
    """

    status: Status
    reason: str = ""
    since: datetime | None = None
    job_id: str | None = None
    run_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    another: bool = False


ok = functools.partial(CheckResult, Status.OK)
wrong = functools.partial(CheckResult, Status.WRONG)
UNCHANGED = CheckResult(Status.UNCHANGED)


def not_applicable(ended_by: str, reason: str) -> CheckResult:
    """Return that there is nothing to check, and why; an incident that people know ends by it."""
    return CheckResult(Status.NOT_APPLICABLE, reason, facts={"ended_by": ended_by})
