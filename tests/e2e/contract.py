"""The shapes that the HTTP contract promises, as every suite from outside checks them."""

from __future__ import annotations

import httpx

JOB_KEYS = {
    "id", "cron", "enabled", "timeout_seconds", "tags", "project", "description", "timezone", "schedule_text",
    "next_run_at", "last_run", "override",
}  # fmt: skip
RUN_KEYS = {
    "id", "job_id", "state", "origin", "scheduled_for", "due_at", "attempt", "max_attempts", "revision",
    "params", "requested_by", "reason", "created_at", "started_at", "finished_at", "error", "error_type",
    "result", "attempts",
}  # fmt: skip


def problem(answer: httpx.Response, status: int) -> str:
    """Check that an answer is a problem of this status and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    return str(body["detail"])
