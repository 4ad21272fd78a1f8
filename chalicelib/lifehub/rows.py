"""Rows for Life Hub: an attempt's facts and a job's state under the names of Life Hub's columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Outcome
from chalicelib.terminal.screen import as_shown
from chalicelib.text import safe

TEXT_CHARS = 5000

STATUS = {
    Outcome.SUCCEEDED: "success",
    Outcome.DEGRADED: "degraded",
    Outcome.FAILED: "failure",
    Outcome.INTERRUPTED: "failure",
    Outcome.TIMED_OUT: "timeout",
    Outcome.CANCELLED: "cancelled",
}

Row = dict[str, Any]


def job_key(scheduler: str, job_id: str) -> str:
    """Return a job's key in Life Hub."""
    return f"{scheduler}:{job_id}"


def of_attempt(facts: Mapping[str, Any], *, scheduler: str, host: str) -> Row:
    """Write an attempt's facts as a row of ops.runs."""
    started = datetime.fromisoformat(facts["started_at"])
    ended = max(started, datetime.fromisoformat(facts["ended_at"]))  # the wall clock may have been set back
    return {
        "job_key": job_key(scheduler, facts["job_id"]),
        "job_id": facts["job_id"],
        "started_at": started,
        "ended_at": ended,
        "duration_ms": (ended - started) // timedelta(milliseconds=1),
        "status": STATUS[Outcome(facts["outcome"])],
        "exit_code": facts["exit_code"],
        "error_message": facts["error"] and safe(facts["error"])[:TEXT_CHARS],
        "error_type": facts["error_type"],
        "summary": facts["summary"] and safe(facts["summary"]),
        "stdout_tail": facts["stdout_tail"] and as_shown(facts["stdout_tail"])[-TEXT_CHARS:],
        "tags": facts["tags"],
        "project": facts["project"],
        "source_host": host,
        "metadata": {
            "script_source": script_source(facts["source"]),
            "entrypoint": facts["entrypoint"],
            "git_sha": facts["revision"],
            "loaded_at": facts["loaded_at"],
            "run_id": facts["run_id"],
            "attempt": facts["attempt"],
            "origin": facts["origin"],
        },
    }


def of_job(job: Job, *, scheduler: str, host: str, loaded_at: datetime | None, now: datetime) -> Row:
    """Write a job as it stands as a row of ops.jobs."""
    spec = job.spec
    override = job.override
    return {
        "job_key": job_key(scheduler, job.id),
        "job_id": job.id,
        "scheduler": scheduler,
        "project": spec.project,
        "cron": spec.cron,
        "timezone": spec.timezone,
        "enabled": job.enabled and job.removed_at is None,
        "timeout_seconds": round(spec.timeout.total_seconds()),
        "tags": list(spec.tags),
        "source_host": host,
        "next_run_at": next_run_at(job, now=now),
        "last_seen_at": job.removed_at or now,
        "definition_hash": spec.definition_hash,
        "metadata": {
            "git_sha": job.revision,
            "loaded_at": loaded_at and iso(loaded_at),
            "place": spec.place,
            "rejected": job.rejected,
            "removed_at": job.removed_at and iso(job.removed_at),
            "override": override
            and {
                "enabled": override.enabled,
                "reason": override.reason,
                "by": override.by,
                "at": iso(override.at),
                "until": override.until and iso(override.until),
            },
        },
        "script_source": script_source(job.source),
        "entrypoint": spec.entrypoint,
        "config": spec.record,
        "updated_at": now,
    }


def of_definition(row: Row) -> Row:
    """Write a job's row of ops.jobs as its row of ops.job_definitions."""
    kept = (
        "job_key",
        "job_id",
        "scheduler",
        "definition_hash",
        "cron",
        "timezone",
        "script_source",
        "entrypoint",
        "config",
    )
    return {name: row[name] for name in kept} | {
        "metadata": {"git_sha": row["metadata"]["git_sha"]},
        "created_at": row["updated_at"],
    }


def next_run_at(job: Job, *, now: datetime) -> datetime | None:
    """Return a job's next fire time; None while it is off, rejected, gone, or its zone is unknown here."""
    try:
        fires = job.next_fires(now=now, count=1)
    except ScheduleError:
        return None
    return fires[0] if fires else None


def script_source(source: str | None) -> str:
    """Say where a job's code comes from, in Life Hub's words."""
    return "builtin" if source == "builtin" else "git"
