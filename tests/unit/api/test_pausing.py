"""/pause and /unpause as callers see them."""

from __future__ import annotations

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client, trigger


def test_a_pause_is_shown_refuses_what_is_not_forced_and_ends(sauron: Sauron, client: Client) -> None:
    assert sauron.settings.queue_enabled
    run_id = trigger(client)
    client.post(f"/runs/{run_id}/cancel")
    made = client.post("/pause", {"reason": "upgrade", "until": "2026-03-02T13:00:00Z"}).json["paused"]
    assert (made["reason"], made["until"]) == ("upgrade", "2026-03-02T13:00:00Z")
    assert client.get("/status").json["paused"] == made
    job_id = client.get(f"/runs/{run_id}").json["job_id"]
    refused = client.post(f"/jobs/{job_id}/trigger", {"params": {"n": 1}})
    assert refused.status == 409
    assert "upgrade" in refused.json["detail"]
    assert client.post(f"/runs/{run_id}/retry").status == 409
    assert client.post(f"/runs/{run_id}/retry", {"force": True}).status == 200
    assert client.post("/pause", {"until": "2026-03-02T12:00:00Z"}).status == 422
    assert client.get(f"/jobs/{job_id}/why?at=2026-03-02T12:30:00Z").json["answer"] in {"paused", "not_due"}
    assert client.post("/unpause", {"reason": "done"}).json == {"paused": None}
    assert client.get("/status").json["paused"] is None
