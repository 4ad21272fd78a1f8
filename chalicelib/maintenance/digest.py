"""The digest of some time: how runs ended, what was late, what is wrong, what is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.model.jobs import BUILTIN
from chalicelib.settings import Settings
from chalicelib.store import history, incidents, registry
from chalicelib.store.database import Tx
from chalicelib.text import safe

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LATE = timedelta(minutes=1)  # a start later than this is in the digest
SHOWN = 50  # lines of a section of the digest


def digest(tx: Tx, settings: Settings, last: Any, *, now: datetime) -> dict[str, Any]:
    """Gather the digest of the time since `last` (ISO 8601, at most a week ago; without it, of a day)."""
    since = now - DAY
    if isinstance(last, str):
        since = max(datetime.fromisoformat(last), now - 7 * DAY)
    jobs: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for job_id, state, count in history.tally(tx, since=since, until=now):
        jobs.setdefault(job_id, {})[state] = count
        totals[state] = totals.get(state, 0) + count
    return {
        "scheduler": settings.scheduler_name,
        "since": _minute(since),
        "until": iso(now),
        "now": _minute(now),
        "totals": totals,
        "jobs": [{"job_id": job_id, "states": states} for job_id, states in sorted(jobs.items())][
            : 4 * SHOWN
        ],
        "failures": [
            {
                "job_id": run.job_id,
                "at": _minute(run.finished_at or now),
                "state": run.state,
                "error": " ".join(safe(run.error or "").split())[:200],
                "link": f"{settings.base_link}/ui/runs/{run.id}",
            }
            for run in history.failed(tx, since=since, until=now, most=SHOWN)
        ],
        "late": [
            {
                "job_id": run.job_id,
                "due": _minute(run.due_at),
                "late_seconds": (run.started_at - run.due_at) // SECOND,
            }
            for run in history.first_attempts(tx, since=since, until=now, most=5000)
            if run.started_at is not None and run.started_at - run.due_at > LATE
        ][:SHOWN],
        "incidents": [
            {
                "subject": one.subject,
                "since": _minute(one.since),
                "reason": " ".join(safe(one.reason).split())[:200],
            }
            for one in incidents.open_incidents(tx)[:SHOWN]
        ],
        "due": [
            {"job_id": job.id, "at": _minute(fire_at)}
            for job in registry.firing_first(tx, most=2 * SHOWN)
            for fire_at in job.next_fires(now=now, count=1)
            if fire_at <= now + DAY and job.source != BUILTIN
        ][:SHOWN],
    }


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
