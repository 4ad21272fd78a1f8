"""The shapes of incidents and alerts."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from .base import Returned


class Incident(Returned):
    """One problem of one subject, since it began."""

    id: int
    subject: str
    kind: str
    job_id: str | None
    run_id: str | None
    reason: str
    since: datetime
    told_at: datetime | None


class Alerts(Returned):
    """The open incidents, and how their alerts are delivered."""

    open: list[Incident]
    count: int
    waiting: int = Field(description="Alerts that wait for delivery.")
    last_error: str | None
    channels: list[str]


class ChannelTest(Returned):
    """How a channel took a test alert."""

    channel: str
    ok: bool
    detail: str


class AlertTest(Returned):
    """How every channel took a test alert. A channel that fails is not an error of this call."""

    success: bool
    message: str
    channels: list[ChannelTest]


class OpenIncident(Returned):
    """An open incident in brief."""

    subject: str
    kind: str
    since: datetime


class AlertState(Returned):
    """The open incidents, and the alerts that wait for delivery."""

    open: list[OpenIncident]
    open_count: int
    waiting: int
    last_error: str | None
