"""How a sync or a rollback went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a sync or rollback went, and the jobs it changed.

    `fault`: the step that failed, if one did. `remarks`: what the author of the revision should know, each as
    {file, line, text, cure}. `unchanged`: the revision was in force before.
    """

    success: bool
    message: str
    sha: str | None = None
    jobs_added: tuple[str, ...] = ()
    jobs_removed: tuple[str, ...] = ()
    jobs_rescheduled: tuple[str, ...] = ()
    fault: str | None = None
    remarks: tuple[Mapping[str, Any], ...] = ()
    unchanged: bool = False
