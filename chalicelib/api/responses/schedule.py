"""The shapes of fire times to come and of audits."""

from __future__ import annotations

from datetime import datetime

from .base import JobId, Page, Returned


class Upcoming(Returned):
    """A fire time to come."""

    job_id: JobId
    cron: str
    next_run_at: datetime


class UpcomingInZone(Upcoming):
    """A fire time to come, with the zone of its schedule."""

    timezone: str


class UpcomingPage(Page):
    """Fire times over all enabled jobs, soonest first. It is never continued: ask for more with `count`."""

    next_runs: list[UpcomingInZone]


class Hole(Returned):
    """An occurrence that the ledger does not account for."""

    job_id: JobId
    fire_at: datetime
    why: str


class Audit(Page):
    """The ledger compared with the schedules that were in force."""

    holes: list[Hole]
    clean: bool
    occurrences: int
    jobs: int
    since: datetime | None
    until: datetime | None
