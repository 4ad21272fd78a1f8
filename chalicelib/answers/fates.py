"""What is foreseen of one occurrence."""

from __future__ import annotations

from enum import StrEnum

from chalicelib.model.jobs import Overlap
from chalicelib.store.queue.pauses import PAUSED

from .job_set import Member
from .virtual_jobs import DISABLED
from .virtual_time import VirtualRun

IN_TIME = 60_000_000  # microseconds: a shorter wait is not told


class Fate(StrEnum):
    """What an occurrence will probably do."""

    STARTS = "starts"
    ENDED = "ended"  # it starts, and is ended by the next one of its job
    WORKER = "worker"  # it waits for a worker
    POOL = "pool"  # it waits for a place in its pool
    OWN = "own"  # it waits for a run of its job
    SKIPPED = "skipped"  # a run of its job is not over
    REPLACED = "replaced"  # a newer one of its job takes its place before it starts
    PARENT = "parent"  # a job that it follows does not end well
    OFF = "off"
    PAUSED = "paused"
    REJECTED = "rejected"
    REMOVED = "removed"
    UNKNOWN = "unknown"  # it is too far ahead to be simulated


WAITING = frozenset({Fate.WORKER, Fate.POOL, Fate.OWN})
STANDING = frozenset({Fate.OFF, Fate.PAUSED, Fate.REJECTED, Fate.REMOVED})  # they depend on no other run
NOT_RUNNING = STANDING | {Fate.SKIPPED, Fate.REPLACED, Fate.PARENT}


def of(run: VirtualRun, member: Member) -> Fate:
    """Return what a simulated occurrence does."""
    if run.why_not is not None:
        other = Fate.PARENT if member.rejected is None else Fate.REJECTED
        return {PAUSED: Fate.PAUSED, DISABLED: Fate.OFF}.get(run.why_not, other)
    if run.skipped_for is not None:
        return Fate.REPLACED if run.overlap is Overlap.REPLACE else Fate.SKIPPED
    if run.starts is not None and run.starts - run.due < IN_TIME:
        return Fate.STARTS if run.replaced_by is None else Fate.ENDED
    if run.waited_for is not None:
        return Fate.OWN
    return Fate.POOL if run.waited_for_pool else Fate.WORKER
