"""How a sync or a rollback went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a sync or rollback went, and the jobs it changed. `fault`: the step that failed, if one did.

    `remarks` are sentences for the bundle's author.
    """

    success: bool
    message: str
    sha: str | None = None
    jobs_added: tuple[str, ...] = ()
    jobs_removed: tuple[str, ...] = ()
    jobs_rescheduled: tuple[str, ...] = ()
    fault: str | None = None
    remarks: tuple[str, ...] = ()
