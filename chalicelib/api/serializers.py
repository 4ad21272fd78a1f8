"""Values as JSON: the shapes of the API, each in one place. Times are ISO 8601 UTC with a Z; None is null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from chalicelib.answers.audit import AuditReport
from chalicelib.bundle.report import SyncReport
from chalicelib.bundle.sync import HELD
from chalicelib.clock import iso
from chalicelib.cron.describe import describe
from chalicelib.model.jobs import Job, Override
from chalicelib.model.runs import GOOD, Attempt, Run, RunState
from chalicelib.store.incidents import Incident
from chalicelib.store.outbox import Lag
from chalicelib.store.runners import Runner

INCIDENTS_SHOWN = 20  # in /status; /alerts has them all


def when(instant: datetime | None) -> str | None:
    """Write an instant, or null."""
    return None if instant is None else iso(instant)


def page_of(name: str, items: list[Any], *, next_after: str | None = None) -> dict[str, Any]:
    """Write a list: the items under their name, how many these are, and what to send as `after` for the next page."""
    return {name: items, "count": len(items), "next_after": next_after}


def job(found: Job, last: Run | None, *, now: datetime) -> dict[str, Any]:
    """Write a job as the lists show it."""
    spec = found.spec
    upcoming = found.next_fires(now=now, count=1)
    return {
        "id": found.id,
        "cron": spec.cron,
        "enabled": found.enabled,
        "timeout_seconds": int(spec.timeout.total_seconds()),
        "tags": list(spec.tags),
        "project": spec.project,
        "description": spec.description,
        "timezone": spec.timezone,
        "schedule_text": describe(spec.cron, spec.timezone),
        "next_run_at": when(upcoming[0] if upcoming else None),
        "last_run": None if last is None else last_run(last),
        "override": None if found.override is None else override(found.override),
        "max_attempts": spec.max_attempts,
        "source": found.source,
        "rejected": found.rejected,
    }


def job_in_full(found: Job, last: Run | None, executed: Sequence[Run], *, now: datetime) -> dict[str, Any]:
    """Write one job with its policies, the next five runs, and how the newest executed runs went."""
    spec = found.spec
    judged = [run.state for run in executed if run.state is not RunState.CANCELLED]
    good = sum(state in GOOD for state in judged)
    record = spec.record
    return job(found, last, now=now) | {
        "next_runs": [iso(fire_at) for fire_at in found.next_fires(now=now, count=5)],
        "success_rate": round(good / len(judged), 4) if judged else None,
        "durations": durations(executed),
        "runs_counted": len(executed),
        "enabled_in_bundle": spec.enabled,
        "overlap": spec.overlap,
        "catchup": spec.catchup,
        "catchup_window_seconds": int(spec.catchup_window.total_seconds()),
        "catchup_max": spec.catchup_max,
        "jitter_minutes": record["jitter_minutes"],
        "retry_backoff_seconds": int(spec.retry_backoff.total_seconds()),
        "alert_after": spec.alert_after,
        "queue_mode": spec.queue_mode,
        "isolation": spec.isolation,
        "renamed_from": spec.renamed_from,
        "secrets": None if spec.secrets is None else [secret["key"] for secret in spec.secrets],
        "params_schema": spec.params_schema,
        "entrypoint": spec.entrypoint,
        "place": spec.place,
        "revision": found.revision,
        "removed_at": when(found.removed_at),
    }


def durations(executed: Sequence[Run]) -> dict[str, Any]:
    """Write how long runs that ended well took, retries and the waits between them included. Seconds."""
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
    """Write an operator's switch."""
    return {
        "enabled": found.enabled,
        "reason": found.reason,
        "by": found.by,
        "at": iso(found.at),
        "until": when(found.until),
    }


def last_run(found: Run) -> dict[str, Any]:
    """Write what a job's line says about its last run."""
    return {
        "id": found.id,
        "state": found.state,
        "started_at": when(found.started_at),
        "finished_at": when(found.finished_at),
        "error": found.error,
    }


def scheduled_for(found: Run) -> datetime:
    """Return the time a run stands for: the schedule's, or for a trigger when it was asked for."""
    return found.fire_at or found.created_at


def run(found: Run, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Write a run with its attempts. `gap` is set on a `missed` row that stands for several occurrences."""
    gap = None
    if found.gap_from is not None:
        gap = {"from": iso(found.gap_from), "to": when(found.fire_at), "count": found.gap_count}
    return {
        "id": found.id,
        "job_id": found.job_id,
        "state": found.state,
        "origin": found.origin,
        "scheduled_for": iso(scheduled_for(found)),
        "due_at": iso(found.due_at),
        "attempt": found.attempt,
        "max_attempts": found.max_attempts,
        "revision": found.revision,
        "params": found.params,
        "requested_by": found.requested_by,
        "reason": found.reason,
        "force": found.force,
        "gap": gap,
        "created_at": iso(found.created_at),
        "started_at": when(found.started_at),
        "finished_at": when(found.finished_at),
        "progress": found.progress,
        "progress_note": found.progress_note,
        "cancel_reason": found.cancel_reason,
        "runner": found.lease_owner,
        "error": found.error,
        "error_type": found.error_type,
        "result": found.result,
        "attempts": [attempt(one) for one in attempts],
    }


def attempt(found: Attempt) -> dict[str, Any]:
    """Write one attempt; `outcome` is null while it runs."""
    return {
        "number": found.number,
        "started_at": iso(found.started_at),
        "finished_at": when(found.finished_at),
        "outcome": found.outcome,
        "runner": found.runner,
        "exit_code": found.exit_code,
        "signal": found.signal,
        "error": found.error,
        "error_type": found.error_type,
        "max_rss_kb": found.max_rss_kb,
        "cpu_seconds": found.cpu_seconds,
    }


def sync(report: SyncReport) -> dict[str, Any]:
    """Write how a sync or a rollback went; the jobs are named by their ids."""
    return {
        "success": report.success,
        "message": report.message,
        "sha": report.sha,
        "jobs_added": list(report.jobs_added),
        "jobs_removed": list(report.jobs_removed),
        "jobs_rescheduled": list(report.jobs_rescheduled),
        "held": report.fault == HELD,
    }


def audit(report: AuditReport) -> dict[str, Any]:
    """Write what the audit found."""
    holes = [{"job_id": hole.job_id, "fire_at": iso(hole.fire_at), "why": hole.why} for hole in report.holes]
    return page_of("holes", holes) | {
        "clean": not holes,
        "occurrences": report.occurrences,
        "jobs": report.jobs,
        "since": when(report.since),
        "until": when(report.until),
    }


def outbox(
    lag: Lag, noted: tuple[datetime, dict[str, Any] | None] | None, *, now: datetime
) -> dict[str, Any]:
    """Write how far the copy to Life Hub is behind, and what its last fault was."""
    said = (noted[1] if noted else None) or {}
    return {
        "waiting": lag.waiting,
        "oldest_at": when(lag.oldest_at),
        "lag_seconds": 0.0 if lag.oldest_at is None else round((now - lag.oldest_at).total_seconds(), 1),
        "refused": lag.refused,
        "last_error": said.get("error"),
        "failing_since": said.get("failing_since"),
        "last_success": said.get("last_success"),
    }


def alerts(opened: Sequence[Incident], waiting: int, last_error: str | None) -> dict[str, Any]:
    """Write in brief what is wrong and what people have not been told yet."""
    shown = [
        {"subject": one.subject, "kind": one.kind, "since": iso(one.since)}
        for one in opened[:INCIDENTS_SHOWN]
    ]
    return {"open": shown, "open_count": len(opened), "waiting": waiting, "last_error": last_error}


def runner(found: Runner) -> dict[str, Any]:
    """Write a runner."""
    return {
        "name": found.name,
        "host": found.host,
        "pid": found.pid,
        "version": found.version,
        "started_at": iso(found.started_at),
        "seen_at": iso(found.seen_at),
        "running": found.running,
        "revision": found.revision,
        "draining": found.draining,
    }
