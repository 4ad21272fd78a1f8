from __future__ import annotations

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, execute, trigger

JOB = {
    "id", "cron", "enabled", "timeout_seconds", "tags", "project", "description", "timezone", "schedule_text",
    "next_run_at", "last_run", "override", "max_attempts", "source", "rejected", "after",
}  # fmt: skip
JOB_IN_FULL = JOB | {
    "next_runs", "success_rate", "durations", "runs_counted", "enabled_in_bundle", "overlap", "catchup",
    "catchup_window_seconds", "catchup_max", "jitter_minutes", "retry_backoff_seconds", "alert_after",
    "queue_mode", "isolation", "renamed_from", "secrets", "params_schema", "entrypoint", "place", "revision",
    "removed_at", "pool", "priority", "memory_mb", "max_processes", "slow_after_seconds",
}  # fmt: skip
RUN = {
    "id", "job_id", "state", "origin", "scheduled_for", "due_at", "attempt", "max_attempts", "revision",
    "params", "requested_by", "reason", "force", "gap", "created_at", "started_at", "finished_at", "progress",
    "progress_note", "progress_at", "cancel_reason", "runner", "error", "error_type", "result", "attempts",
    "parents", "pool", "priority", "waiting_for",
}  # fmt: skip
ATTEMPT = {
    "number", "started_at", "finished_at", "outcome", "runner", "exit_code", "signal", "error", "error_type",
    "max_rss_kb", "cpu_seconds", "usage",
}  # fmt: skip
LAST_RUN = {"id", "state", "started_at", "finished_at", "error"}


def test_jobs_runs_and_attempts_have_exactly_these_members(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    run = client.get(f"/runs/{run_id}").json
    job = client.get("/jobs/nightly-backup").json
    assert set(run) == RUN
    assert set(run["attempts"][0]) == ATTEMPT
    assert set(job) == JOB_IN_FULL
    assert set(job["last_run"]) == LAST_RUN
    assert [set(one) for one in client.get("/jobs").json["jobs"]] == [JOB, JOB]
    client.post("/jobs/digest/enable")
    assert set(client.get("/jobs/digest").json["override"]) == {"enabled", "reason", "by", "at", "until"}
