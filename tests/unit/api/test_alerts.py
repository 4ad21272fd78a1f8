from __future__ import annotations

from chalicelib.model.runs import Outcome, Verdict
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer, execute
from tests.unit.api.conftest import Build

TOKENS = "jarvis:operate:operates,grafana:read:readsonly"


def test_alerts_answers_what_is_wrong_and_what_waits(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(SAURON_ALERT_WEBHOOK_URL="http://127.0.0.1:9/services/hidden")
    define(sauron.store, clock, "backup", "0 0 1 1 *")
    assert client.get("/alerts").json == {
        "open": [],
        "count": 0,
        "waiting": 0,
        "last_error": None,
        "channels": ["webhook"],
    }
    client.post("/jobs/backup/trigger")
    failed = execute(sauron, clock, Verdict(Outcome.FAILED, "no route to host"))
    sauron.duties.review(["backup"])
    sauron.duties.deliver()
    answer = client.get("/alerts")
    said = answer.json
    assert [(one["job_id"], one["kind"], one["run_id"], one["reason"]) for one in said["open"]] == [
        ("backup", "failing", failed.id, "no route to host")
    ]
    assert (said["count"], said["waiting"]) == (1, 1)
    assert said["open"][0]["since"] == "2026-03-02T12:00:32Z"
    assert "127.0.0.1: no connection" in said["last_error"]
    assert "hidden" not in answer.body


def test_alerts_needs_read_and_its_test_needs_operate(build: Build) -> None:
    build(SAURON_API_TOKENS=TOKENS)
    assert bearer("readsonly").get("/alerts").status == 200
    assert bearer("readsonly").post("/alerts/test").problem["status"] == 403
    assert bearer("operates").post("/alerts/test").status == 200


def test_a_test_says_of_each_channel_how_it_went(build: Build, client: Client) -> None:
    build(SAURON_ALERT_WEBHOOK_URL="http://127.0.0.1:9/services/hidden")
    answer = client.post("/alerts/test")
    assert (answer.status, answer.json["success"]) == (200, False)
    assert [(one["channel"], one["ok"]) for one in answer.json["channels"]] == [("webhook", False)]
    assert "hidden" not in answer.body
    [act] = client.get("/audit-log").json["entries"]
    assert (act["outcome"], act["detail"]) == ("refused", answer.json["message"])


def test_a_test_without_a_channel_says_what_to_set(build: Build, client: Client) -> None:
    build()
    said = client.post("/alerts/test").json
    assert (said["success"], said["channels"]) == (False, [])
    assert "ALERT_EMAIL" in said["message"]
    assert "SAURON_ALERT_WEBHOOK_URL" in said["message"]
