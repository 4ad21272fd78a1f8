"""The shapes of the audit log and of pushes."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from chalicelib.model.acts import Door, Outcome
from chalicelib.model.runs import RunState

from .base import Page, Returned


class ActEffect(Returned):
    """What came of an act, and how that stands now."""

    text: str = Field(description="In words: `succeeded in 4.0 s`, `off until 2026-03-09T08:00:00Z`.")
    run_id: str | None = Field(description="The run that it made, or cancelled.")
    run_state: RunState | None = Field(description="The state of that run now.")
    revision: str | None = Field(description="The revision that it led to.")


class AuditLogEntry(Returned):
    """One act of a person or program."""

    id: int
    at: datetime
    who: str | None = Field(description="The token's name; `local` is the command line of this machine.")
    door: Door
    act: str
    subject: str | None
    reason: str | None
    outcome: Outcome
    detail: str | None = Field(description="Why it was refused.")
    address: str | None = Field(
        description="Where it came from: the other end of the connection, so a proxy's own behind one."
    )
    effect: ActEffect | None = Field(description="null for a refused act, and where nothing is known.")


class AuditLogPage(Page):
    """A page of acts, the newest first."""

    entries: list[AuditLogEntry]


class PushTaken(Returned):
    """What becomes of a push."""

    accepted: bool = Field(description="Whether a sync was started.")
    message: str
