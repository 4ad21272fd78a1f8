"""The shapes of the audit log and of pushes."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from chalicelib.model.acts import Door, Outcome

from .base import Page, Returned


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


class AuditLogPage(Page):
    """A page of acts, the newest first."""

    entries: list[AuditLogEntry]


class PushTaken(Returned):
    """What becomes of a push."""

    accepted: bool = Field(description="Whether a sync was started.")
    message: str
