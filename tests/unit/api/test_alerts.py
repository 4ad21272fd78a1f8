from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import Store
from sauron.cli.root import invoke
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer, execute
from tests.unit.api.conftest import Build

pytestmark = pytest.mark.every_store

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


def test_a_test_without_a_channel_says_what_to_set(build: Build, client: Client) -> None:
    build()
    said = client.post("/alerts/test").json
    assert (said["success"], said["channels"]) == (False, [])
    assert "ALERT_EMAIL" in said["message"]
    assert "SAURON_ALERT_WEBHOOK_URL" in said["message"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> Callable[..., int]:
    """The command line as a process of its own would be, over this test's store."""

    def type_in(*words: str, **environ: str) -> int:
        settings = {"JOB_QUEUE_DB_URL": str(store.url), "JOBS_DIR": str(tmp_path / "jobs"), **environ}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        wiring.PROCESS.set(None)
        try:
            return invoke(words)
        finally:
            wiring.PROCESS.set(None)

    return type_in


def test_the_command_says_what_is_wrong(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("alerts") == 0
    said = capsys.readouterr()
    assert said.out == "Nothing is wrong.\n"
    assert "no channel is configured" in said.err
    assert command("alerts", "--json") == 0
    assert json.loads(capsys.readouterr().out)["open"] == []


def test_the_test_command_exits_1_when_no_channel_is_configured_or_one_failed(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("alerts", "test") == 1
    assert "ALERT_EMAIL" in capsys.readouterr().err
    assert command("alerts", "test", SAURON_ALERT_WEBHOOK_URL="http://127.0.0.1:9/services/hidden") == 1
    assert "webhook: 127.0.0.1: no connection" in capsys.readouterr().err
    assert command("--json", "alerts", "test") == 1
    said = capsys.readouterr().out
    assert json.loads(said)["success"] is False
    assert "hidden" not in said
