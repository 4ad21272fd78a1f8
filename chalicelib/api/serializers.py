"""The JSON shapes of the API, each in one place. Times are ISO 8601 UTC with a Z; None is null.

A shape names its members: a field that a value gains stays inside until it is named here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from chalicelib.answers.audit import AuditReport
from chalicelib.bundle.report import SyncReport
from chalicelib.clock import iso
from chalicelib.model.faults import HELD
from chalicelib.model.jobs import Job, Override
from chalicelib.model.pools import Waiting
from chalicelib.model.runs import GOOD, Attempt, Run, RunState
from chalicelib.model.usage import Usage
from chalicelib.store.incidents import Incident
from chalicelib.store.outbox import Lag
from chalicelib.store.queue.pauses import Pause
from chalicelib.store.runners import Runner

INCIDENTS_SHOWN = 20  # in /status; /alerts has them all


def when(instant: datetime | None) -> str | None:
    """Return an instant as JSON."""
    return None if instant is None else iso(instant)


def members(value: Any, *names: str) -> dict[str, Any]:
    """Return attributes under their own names; instants are written as text."""
    found = {name: getattr(value, name) for name in names}
    return {name: iso(item) if isinstance(item, datetime) else item for name, item in found.items()}


def page_of(name: str, items: list[Any], *, next_after: str | None = None) -> dict[str, Any]:
    """Return a page of a list: its items, their number, and the `after` of the next page."""
    return {name: items, "count": len(items), "next_after": next_after}


def job(found: Job, last: Run | None, *, now: datetime) -> dict[str, Any]:
    """Return a job as the lists show it."""
    spec = found.spec
    upcoming = found.next_fires(now=now, count=1)
    return {
        **members(found, "id", "enabled", "source", "rejected"),
        **members(spec, "cron", "project", "description", "timezone", "max_attempts"),
        "timeout_seconds": int(spec.timeout.total_seconds()),
        "tags": list(spec.tags),
        "schedule_text": spec.schedule_text,
        "after": list(spec.after),
        "next_run_at": when(upcoming[0] if upcoming else None),
        "last_run": None if last is None else last_run(last),
        "override": None if found.override is None else override(found.override),
    }


def job_in_full(found: Job, last: Run | None, executed: Sequence[Run], *, now: datetime) -> dict[str, Any]:
    """Return one job with its policies, the next five runs, and how the newest executed runs ended."""
    spec = found.spec
    judged = [run.state for run in executed if run.state is not RunState.CANCELLED]
    good = sum(state in GOOD for state in judged)
    return {
        **job(found, last, now=now),
        **members(spec, "overlap", "catchup", "catchup_max", "alert_after", "queue_mode", "isolation"),
        **members(spec, "pool", "priority", "memory_mb", "max_processes"),
        **members(spec, "renamed_from", "params_schema", "entrypoint", "place"),
        **members(found, "revision", "removed_at"),
        "next_runs": [iso(fire_at) for fire_at in found.next_fires(now=now, count=5)],
        "success_rate": round(good / len(judged), 4) if judged else None,
        "durations": durations(executed),
        "runs_counted": len(executed),
        "enabled_in_bundle": spec.enabled,
        "catchup_window_seconds": int(spec.catchup_window.total_seconds()),
        "jitter_minutes": spec.record["jitter_minutes"],
        "retry_backoff_seconds": int(spec.retry_backoff.total_seconds()),
        "slow_after_seconds": spec.slow_after and spec.slow_after.total_seconds(),
        "secrets": None if spec.secrets is None else [secret["key"] for secret in spec.secrets],
    }


def durations(executed: Sequence[Run]) -> dict[str, Any]:
    """Return how many seconds good runs took, retries and the waits between them included."""
    taken = sorted(
        (run.finished_at - run.started_at).total_seconds()
        for run in executed
        if run.state in GOOD and run.started_at and run.finished_at
    )
    if not taken:
        return {"count": 0, "median_seconds": None, "max_seconds": None}
    return {
        "count": len(taken),
        "median_seconds": round(median(taken), 3),
        "max_seconds": round(taken[-1], 3),
    }


def override(found: Override) -> dict[str, Any]:
    """Return an operator's override."""
    return members(found, "enabled", "reason", "by", "at", "until")


def pause(found: Pause) -> dict[str, Any]:
    """Return a pause of everything."""
    return members(found, "since", "by", "reason", "until")


def last_run(found: Run) -> dict[str, Any]:
    """Return a job's last run as the lists show it."""
    return members(found, "id", "state", "started_at", "finished_at", "error")


def run(found: Run, attempts: Sequence[Attempt], waiting: Waiting | None = None) -> dict[str, Any]:
    """Return a run with its attempts, and the full pool that it waits for.

    `gap` is set on a row that stands for several occurrences.
    """
    gap = None
    if found.gap_from is not None:
        gap = {
            "from": iso(found.gap_from),
            "to": when(found.fire_at or found.chain_at),
            "count": found.gap_count,
        }
    return {
        **members(found, "id", "job_id", "state", "origin", "due_at", "attempt", "max_attempts", "revision"),
        **members(found, "params", "requested_by", "reason", "force", "created_at", "started_at"),
        **members(found, "finished_at", "progress", "progress_note", "progress_at", "cancel_reason"),
        **members(found, "error", "error_type"),
        "scheduled_for": iso(found.scheduled_for),
        "gap": gap,
        "pool": found.pool,
        "priority": found.priority,
        "parents": {job_id: told["run_id"] for job_id, told in (found.parents or {}).items()},
        "waiting_for": None if waiting is None else members(waiting, "pool", "running", "size"),
        "runner": found.lease_owner,
        "result": found.result,
        "attempts": [attempt(one) for one in attempts],
    }


def attempt(found: Attempt) -> dict[str, Any]:
    """Return one attempt; `outcome` is null while it runs."""
    return {
        **members(found, "number", "started_at", "finished_at", "outcome", "runner", "exit_code", "signal"),
        **members(found, "error", "error_type", "max_rss_kb", "cpu_seconds"),
        "usage": found.usage and usage(found.usage),
    }


def usage(found: Usage) -> dict[str, Any]:
    """Return the newest measurement of what an attempt used, with the largest memory of all."""
    return {**found.newest._asdict(), "peak_mb": found.peak_mb, "programs": list(found.programs)}


def sync(report: SyncReport) -> dict[str, Any]:
    """Return the result of a sync or a rollback: how many jobs it changed, and their ids."""
    return {
        "success": report.success,
        "message": report.message,
        "sha": report.sha,
        "jobs_added": len(report.jobs_added),
        "jobs_removed": len(report.jobs_removed),
        "jobs_rescheduled": len(report.jobs_rescheduled),
        "added": list(report.jobs_added),
        "removed": list(report.jobs_removed),
        "rescheduled": list(report.jobs_rescheduled),
        "held": report.fault == HELD,
        "remarks": [dict(one) for one in report.remarks],
    }


def audit(report: AuditReport) -> dict[str, Any]:
    """Return the result of an audit."""
    holes = [{"job_id": hole.job_id, "fire_at": iso(hole.fire_at), "why": hole.why} for hole in report.holes]
    return page_of("holes", holes) | {
        "clean": not holes,
        "occurrences": report.occurrences,
        "jobs": report.jobs,
        "since": when(report.since),
        "until": when(report.until),
    }


def outbox(lag: Lag, last: tuple[datetime, dict[str, Any] | None] | None, *, now: datetime) -> dict[str, Any]:
    """Return how far the copy to Life Hub is behind; `last` is the publisher's last pass and its detail."""
    detail = (last[1] if last else None) or {}
    return {
        **members(lag, "waiting", "oldest_at", "refused"),
        "lag_seconds": 0.0 if lag.oldest_at is None else round((now - lag.oldest_at).total_seconds(), 1),
        "last_error": detail.get("error"),
        "failing_since": detail.get("failing_since"),
        "last_success": detail.get("last_success"),
    }


def incident(found: Incident) -> dict[str, Any]:
    """Return an incident."""
    return members(found, "id", "subject", "kind", "job_id", "run_id", "reason", "since", "told_at")


def alerts(opened: Sequence[Incident], waiting: int, last_error: str | None) -> dict[str, Any]:
    """Return the open incidents in brief, and how many alerts wait for delivery."""
    shown = [members(one, "subject", "kind", "since") for one in opened[:INCIDENTS_SHOWN]]
    return {"open": shown, "open_count": len(opened), "waiting": waiting, "last_error": last_error}


def runner(found: Runner, *, running: int) -> dict[str, Any]:
    """Return a runner and how many runs it executes."""
    return {
        **members(found, "name", "host", "pid", "version", "started_at", "seen_at", "revision"),
        "running": running,
        "draining": found.draining,
    }
