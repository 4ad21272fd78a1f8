from __future__ import annotations

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client


def test_sync_without_a_bundle_is_200_and_says_what_to_set(sauron: Sauron, client: Client) -> None:
    answer = client.post("/sync")
    assert answer.status == 200
    said = answer.json
    assert set(said) >= {"success", "message", "sha", "jobs_added", "jobs_removed", "jobs_rescheduled"}
    assert said["success"] is False
    assert "JOBS_GIT_REPO_URL" in said["message"]


def test_rollback_to_an_unknown_revision_is_404(sauron: Sauron, client: Client) -> None:
    assert client.post("/rollback", {"sha": "abcdef1"}).problem["status"] == 404
    assert client.post("/rollback", {"sha": "main"}).problem["status"] == 422
    assert client.post("/rollback").problem["status"] == 422
