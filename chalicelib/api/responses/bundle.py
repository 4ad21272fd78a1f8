"""The shapes of what the bundle is at, and of what a sync did."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from .base import JobId, Returned, Sha


class Remark(Returned):
    """What the author of a bundle should know."""

    file: str
    line: int | None
    text: str
    cure: str


class Synced(Returned):
    """What a sync or a rollback changed, or why it changed nothing."""

    success: bool
    message: str
    sha: str | None = Field(description="The active revision.")
    jobs_added: int
    jobs_removed: int
    jobs_rescheduled: int
    added: list[JobId]
    removed: list[JobId]
    rescheduled: list[JobId]
    held: bool = Field(description="It would remove most jobs; send `accept_removals` to do so.")
    remarks: list[Remark]


class GitSync(Returned):
    """What the bundle is at, and what the last sync said."""

    current_sha: Sha | None = Field(description="The active revision, also after a failed sync.")
    subject: str | None
    author: str | None
    last_sync: datetime | None
    last_error: str | None
    consecutive_failures: int
    repo_url: str | None = Field(description="Without credentials.")
    branch: str
    local_path: str
    pinned_ref: str | None
    install_log: str | None


class Rejection(Returned):
    """A job of the active revision whose definition cannot be used."""

    job_id: str | None
    place: str | None
    reason: str
