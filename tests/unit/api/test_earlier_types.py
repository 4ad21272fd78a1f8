"""Responses whose fields the users of the earlier system read: each field has the type that it had there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.api import serializers
from chalicelib.bundle.report import SyncReport
from chalicelib.wiring import Sauron
from tests.unit.api.client import Client

OPTIONAL = (str, type(None))
JOB: dict[str, Any] = {
    "id": str,
    "cron": str,
    "enabled": bool,
    "timeout_seconds": int,
    "tags": list,
    "project": OPTIONAL,
    "description": str,
}
SYNC: dict[str, Any] = {
    "success": bool,
    "message": str,
    "sha": OPTIONAL,
    "jobs_added": int,
    "jobs_removed": int,
    "jobs_rescheduled": int,
}
GIT: dict[str, Any] = {
    "current_sha": OPTIONAL,
    "last_sync": OPTIONAL,
    "last_error": OPTIONAL,
    "consecutive_failures": int,
    "repo_url": OPTIONAL,
    "branch": OPTIONAL,
    "local_path": str,
}


def wrong(answer: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are missing or of another type; a bool is no int here."""
    return {
        name: answer.get(name, "missing")
        for name, kind in types.items()
        if name not in answer
        or not isinstance(answer[name], kind)
        or (kind is int and isinstance(answer[name], bool))
    }


def test_a_sync_answers_numbers_under_the_earlier_names_and_the_ids_beside_them() -> None:
    answer = serializers.sync(
        SyncReport(True, "well", "a" * 40, ("new",), ("gone", "also-gone"), ("moved", "and", "another"))
    )
    assert wrong(answer, SYNC) == {}
    assert [answer[name] for name in ("jobs_added", "jobs_removed", "jobs_rescheduled")] == [1, 2, 3]
    assert (answer["added"], answer["removed"]) == (["new"], ["gone", "also-gone"])
    assert answer["rescheduled"] == ["moved", "and", "another"]


def test_a_sync_that_failed_answers_zeros(sauron: Sauron, client: Client) -> None:
    answer = client.post("/sync").json
    assert wrong(answer, SYNC) == {}
    assert [answer[name] for name in ("jobs_added", "jobs_removed", "jobs_rescheduled")] == [0, 0, 0]
    assert [answer[name] for name in ("added", "removed", "rescheduled")] == [[], [], []]


def test_health_status_and_jobs_have_the_earlier_types(sauron: Sauron, client: Client) -> None:
    health = client.get("/health").json
    assert wrong(health, {"status": str, "version": str, "timestamp": str}) == {}
    assert datetime.fromisoformat(health["timestamp"]).tzinfo is not None
    status = client.get("/status").json
    kinds = {"scheduler_running": bool, "jobs_count": int, "git_sync_status": dict, "next_runs": list}
    assert wrong(status, kinds) == {}
    assert wrong(status["git_sync_status"], GIT) == {}
    assert [wrong(one, {"job_id": str, "cron": str}) for one in status["next_runs"]] == [{}]
    listed = client.get("/jobs").json
    assert wrong(listed, {"jobs": list, "count": int}) == {}
    for job in (*listed["jobs"], client.get("/jobs/digest").json):
        assert wrong(job, JOB) == {}


def test_a_trigger_and_a_switch_have_the_earlier_types(sauron: Sauron, client: Client) -> None:
    queued = client.post("/jobs/nightly-backup/trigger").json
    assert wrong(queued, {"job_id": str, "queued": bool, "queue_id": str, "message": str}) == {}
    for act in ("disable", "enable"):
        switched = client.post(f"/jobs/nightly-backup/{act}").json
        assert wrong(switched, {"job_id": str, "enabled": bool}) == {}
    for problem in (client.get("/jobs/none"), client.post("/jobs/digest/trigger")):
        assert isinstance(problem.json["detail"], str)
