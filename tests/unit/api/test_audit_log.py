from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import app as application
from chalicelib.api.acting import NOT_ACTS
from chalicelib.api.assistant.calls import call
from chalicelib.api.auth import Caller, internal_token
from chalicelib.clock import iso
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import history
from chalicelib.wiring import Sauron
from tests.conftest import START, ManualClock, define
from tests.unit.api.client import Client, basic, bearer, execute
from tests.unit.api.conftest import Build

TOKENS = "grafana:read:read-token-1,bot:trigger:trigger-token-1,jarvis:operate:operate-token-1"
SECRET = "correct-horse-battery"


@pytest.fixture
def guarded(build: Build, clock: ManualClock) -> Sauron:
    made = build(SAURON_API_TOKENS=TOKENS, GITHUB_TOKEN=SECRET)
    define(made.store, clock, "backup", "0 3 * * *")
    return made


def entries(query: str = "") -> list[dict[str, Any]]:
    found = bearer("read-token-1").get(f"/audit-log{query}").json
    assert found["count"] == len(found["entries"])
    return list(found["entries"])


def test_an_act_is_recorded_with_who_door_subject_and_reason(guarded: Sauron, clock: ManualClock) -> None:
    assert bearer("operate-token-1").post("/jobs/backup/disable", {"reason": "disk is full"}).status == 200
    (entry,) = entries()
    assert entry == {
        "id": 1,
        "at": iso(clock.now()),
        "who": "jarvis",
        "door": "http",
        "act": "disable",
        "subject": "backup",
        "reason": "disk is full",
        "outcome": "done",
        "detail": None,
        "address": "127.0.0.1",
        "effect": {
            "text": "off until somebody switches it again",
            "run_id": None,
            "run_state": None,
            "revision": None,
        },
    }


def test_a_trigger_says_how_its_run_stands_now(guarded: Sauron, clock: ManualClock) -> None:
    run = bearer("trigger-token-1").post("/jobs/backup/trigger").json["queue_id"]
    bearer("trigger-token-1").post("/sync")

    def came() -> tuple[Any, Any]:
        refused, done = entries()
        return refused["effect"], done["effect"]

    waits = {"text": "waiting for 0 s", "run_id": run, "run_state": "queued", "revision": None}
    assert came() == (None, waits)
    execute(guarded, clock, Verdict(Outcome.SUCCEEDED), seconds=4)
    assert came() == (None, waits | {"text": "succeeded in 4.0 s", "run_state": "succeeded"})


def test_every_door_names_itself(guarded: Sauron) -> None:
    bearer("trigger-token-1").post("/jobs/backup/trigger")
    basic("operate-token-1").post("/ui/jobs/backup/trigger")
    bearer(internal_token()).post("/jobs/backup/trigger", X_Sauron_By="maria")
    assert [(one["who"], one["door"]) for one in entries()] == [
        ("local", "cli"),
        ("jarvis", "page"),
        ("bot", "http"),
    ]


def test_every_act_has_a_name_and_a_subject(guarded: Sauron) -> None:
    ours = bearer("operate-token-1")
    run = ours.post("/jobs/backup/trigger").json["queue_id"]
    for path, body in (
        (f"/runs/{run}/cancel", {"reason": "a"}),
        (f"/runs/{run}/retry", {"reason": "b"}),
        ("/jobs/backup/enable", {"reason": "c"}),
        ("/sync", {"reason": "d"}),
        ("/sync", {"ref": "fix", "reason": "e"}),
        ("/rollback", {"sha": "abcdef0", "reason": "f"}),
        ("/alerts/test", None),
        ("/runners/one/drain", {"reason": "g"}),
        ("/runners/one/resume", None),
    ):
        ours.post(path, body)
    assert [(one["act"], one["subject"], one["reason"], one["outcome"]) for one in reversed(entries())] == [
        ("trigger", "backup", None, "done"),
        ("cancel", run, "a", "done"),
        ("retry", run, "b", "done"),
        ("enable", "backup", "c", "done"),
        ("sync", "bundle", "d", "refused"),  # no bundle is configured
        ("sync", "fix", "e", "refused"),
        ("rollback", "abcdef0", "f", "refused"),
        ("test_alerts", "alerts", None, "refused"),  # no channel is configured
        ("drain", "one", "g", "refused"),
        ("resume", "one", None, "refused"),
    ]


@pytest.mark.parametrize(
    ("token", "path", "body", "status", "why"),
    [
        ("read-token-1", "/jobs/backup/trigger", {"reason": "x"}, 403, "scope 'trigger'"),
        ("trigger-token-1", "/jobs/no-such/trigger", {"reason": "x"}, 404, "no-such"),
        ("operate-token-1", "/jobs/backup/disable", {"reason": "x", "untli": "1"}, 422, "untli"),
        ("operate-token-1", "/runs/x/retry", {"reason": "x"}, 404, "no run 'x'"),
        ("operate-token-1", "/jobs/backup/disable", {"until": "2020-01-01T00:00:00Z"}, 422, "future"),
    ],
)
def test_what_is_refused_is_recorded_with_why(
    guarded: Sauron, token: str, path: str, body: Any, status: int, why: str
) -> None:
    assert bearer(token).post(path, body).status == status
    (entry,) = entries()
    assert entry["outcome"] == "refused"
    assert why in entry["detail"]
    assert entry["reason"] == (None if status == 403 else body.get("reason"))


def test_an_unknown_sender_and_a_question_leave_nothing(guarded: Sauron) -> None:
    bearer("wrong-token").post("/jobs/backup/trigger")
    Client().post("/jobs/backup/trigger")
    bearer("operate-token-1").get("/jobs")
    assert entries() == []


def test_while_the_api_is_open_its_senders_are_anonymous(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/nightly-backup/trigger")
    assert client.get("/audit-log").json["entries"][0]["who"] == "anonymous"


def test_secrets_are_masked_and_long_texts_cut(guarded: Sauron) -> None:
    bearer("operate-token-1").post("/jobs/backup/disable", {"reason": f"token {SECRET}"})
    bearer("operate-token-1").post(f"/jobs/{SECRET}/disable")
    bearer("operate-token-1").post("/jobs/" + "a" * 2000 + "/disable")
    said = bearer("read-token-1").get("/audit-log").body
    assert SECRET not in said
    assert all(len(one["subject"]) <= 255 for one in entries())


def test_an_act_and_its_entry_are_one_transaction(guarded: Sauron, log_text: io.StringIO) -> None:
    with guarded.store.write() as tx:
        tx.exec_driver_sql("DROP TABLE audit_log")
    assert bearer("trigger-token-1").post("/jobs/backup/trigger").status == 503
    with guarded.store.read() as tx:
        assert history.runs(tx, limit=9) == []
    assert "act.refused_by_store" in log_text.getvalue()


def by_http(_sauron: Sauron) -> None:
    assert bearer("trigger-token-1").post("/jobs/backup/trigger").status == 503


def by_page(_sauron: Sauron) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    path, body = "/ui/jobs/backup/trigger", b"reason=now&confirm=yes"
    assert bearer("operate-token-1").ask("POST", path, body, form).status == 503


def by_mcp(sauron: Sauron) -> None:
    given = {"job_id": "backup", "apply": True, "reason": "now"}
    assert call(sauron, Caller(name="jarvis", scope="operate"), "trigger", given).refused


@pytest.mark.parametrize("ask", [by_http, by_page, by_mcp])
def test_a_store_that_refused_an_act_is_not_asked_to_record_that(
    guarded: Sauron, log_text: io.StringIO, ask: Callable[[Sauron], None]
) -> None:
    """Whoever waited half a minute for a store that is locked would wait as long once more."""
    with guarded.store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE job_queue RENAME TO gone")
    ask(guarded)
    assert entries() == []
    assert "act.refused_by_store" in log_text.getvalue()


@pytest.mark.slow
def test_refusals_of_one_sender_fill_no_disk(guarded: Sauron, clock: ManualClock) -> None:
    for _ in range(103):
        bearer("trigger-token-1").post("/sync")
    bearer("operate-token-1").post("/jobs/no-such/trigger")
    found = entries("?limit=1000")
    assert [one["who"] for one in found] == ["jarvis"] + ["bot"] * 100
    clock.move(hours=1, seconds=1)
    bearer("trigger-token-1").post("/sync")
    assert len(entries("?limit=1000")) == 102


def test_the_list_comes_in_pages_and_by_filters(guarded: Sauron, clock: ManualClock) -> None:
    ours = bearer("operate-token-1")
    for act in ("disable", "enable", "trigger"):
        ours.post(f"/jobs/backup/{act}")
        clock.move(hours=1)
    bearer("read-token-1").post("/sync")
    first = bearer("read-token-1").get("/audit-log?limit=3").json
    assert [one["act"] for one in first["entries"]] == ["sync", "trigger", "enable"]
    rest = bearer("read-token-1").get(f"/audit-log?limit=3&after={first['next_after']}").json
    assert ([one["act"] for one in rest["entries"]], rest["next_after"]) == (["disable"], None)
    since = iso(START + timedelta(hours=2))
    for query, acts in {
        "?who=grafana": ["sync"],
        "?act=enable,disable": ["enable", "disable"],
        "?subject=backup&outcome=done": ["trigger", "enable", "disable"],
        "?outcome=refused": ["sync"],
        "?door=page": [],
        f"?since={since}": ["sync", "trigger"],
    }.items():
        assert [one["act"] for one in entries(query)] == acts, query
    assert bearer("read-token-1").get("/audit-log?dor=page").status == 400
    assert bearer("read-token-1").get("/audit-log?door=window").status == 400


def test_every_post_is_an_act_but_those_that_say_so() -> None:
    posts = {path for path, methods in application.app.routes.items() if "POST" in methods}
    assert posts | {"/plan", "/mcp", "/hooks/git"} >= NOT_ACTS


def test_a_body_that_is_refused_names_no_other_subject(guarded: Sauron) -> None:
    bearer("operate-token-1").post("/jobs/backup/trigger", {"ref": "another"})
    (entry,) = entries()
    assert (entry["subject"], entry["outcome"]) == ("backup", "refused")
