"""Evidence without a store: a job that is on, and nothing in its ledger, but for what a test changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.answers.evidence import Evidence, standing_at
from chalicelib.answers.spans import covering, spans_of
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from chalicelib.store.bundle import BundleState
from chalicelib.store.periods import Period
from tests.conftest import job_record

REVISION = "a" * 40


@dataclass(frozen=True)
class Known:
    """Evidence about one instant, from which that about another is made."""

    evidence: Evidence

    def at_instant(self, at: datetime) -> Evidence:
        e = self.evidence
        standing = standing_at(e.job, e.standings, covering(e.spans, at), at=at, now=e.now)
        return replace(e, at=at, decided_at=at, standing=standing)


def a_job(cron: str, zone: str = "UTC", *, now: datetime, **changes: Any) -> Job:
    """A job that was defined a day ago and is on, but for the changes; keywords of a record are taken too."""
    own = {name: changes.pop(name) for name in ("override", "rejected", "removed_at") if name in changes}
    enabled = changes.get("enabled", True)
    spec = JobSpec.from_record(job_record("j", cron, timezone=zone, **changes))
    job = Job(spec, BUNDLE, REVISION, enabled, None, now - timedelta(days=1), None, None, None)
    return replace(job, **own)


def evidence(cron: str, zone: str = "UTC", *, now: datetime, job: Job | None = None, **changes: Any) -> Known:
    """Evidence about a job whose one period began a day ago, but for the changes."""
    job = job or a_job(cron, zone, now=now)
    since = now - timedelta(days=1)
    periods = [Period("j", since, None, cron, zone, REVISION)] if job.enabled else []
    spans = spans_of(job, periods)
    made = Evidence(
        job=job,
        now=now,
        at=now,
        decided_at=now,
        spans=spans,
        standing=standing_at(job, [], covering(spans, now), at=now, now=now),
        standings=[],
        known_since=since,
        ledger_from=since,
        pruned=False,
        row=None,
        attempts=[],
        other=None,
        by_hand=[],
        unfinished=[],
        after_gap=None,
        silence=None,
        last_tick=now,
        revisions={},
        state=BundleState(),
        queue_enabled=True,
    )
    return Known(replace(made, **changes))
