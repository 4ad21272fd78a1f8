from __future__ import annotations

import io
import json

import pytest

import app as application
from chalicelib.api.auth import SCOPE_OF_ROUTE, internal_token, scope_needed
from chalicelib.aws.eventbridge import event
from chalicelib.wiring import Sauron
from tests.attack.credentials import PUBLIC
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, basic, bearer
from tests.unit.api.conftest import Build

TOKENS = (
    "grafana:read:read-token-1,bot:trigger:trigger-token-1,jarvis:operate:operate-token-1,"
    "root:admin:admin-token-1"
)


@pytest.fixture
def guarded(build: Build, clock: ManualClock) -> Sauron:
    made = build(SAURON_API_TOKENS=TOKENS)
    define(made.store, clock, "backup", "0 3 * * *")
    return made


GUARDED = [
    path
    for path, methods in application.app.routes.items()
    if not {f"{method} {path}" for method in methods} & PUBLIC
]


@pytest.mark.parametrize(
    "client",
    [Client(), bearer("wrong-token"), Client({"Authorization": "Bearer"}), basic("wrong-token")],
    ids=["none", "wrong", "empty", "basic"],
)
def test_every_route_that_is_not_public_needs_a_token(guarded: Sauron, client: Client) -> None:
    for path in GUARDED:
        asked = path.format(job_id="backup", run_id="x", name="x", digest="x")
        for method in application.app.routes[path]:
            answer = client.ask(method, asked)
            assert answer.status == 401, (method, path)
            assert "www-authenticate" in answer.headers, (method, path)
            assert "wrong-token" not in answer.body, (method, path)
    assert GUARDED


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
def test_what_is_public_needs_no_token(guarded: Sauron, path: str) -> None:
    assert Client().get(path).status == 200
    assert bearer("wrong-token").get(path).status == 200


@pytest.mark.parametrize(
    ("token", "allowed"),
    [
        ("read-token-1", {"read"}),
        ("trigger-token-1", {"read", "trigger"}),
        ("operate-token-1", {"read", "trigger", "operate"}),
        ("admin-token-1", {"read", "trigger", "operate"}),
    ],
)
def test_a_scope_reaches_what_it_includes_and_no_more(guarded: Sauron, token: str, allowed: set[str]) -> None:
    for path, scope in {"/jobs": "read", **SCOPE_OF_ROUTE}.items():
        if path.startswith("/ui/"):
            continue
        method = "GET" if scope == "read" else "POST"
        answer = bearer(token).ask(method, path.format(job_id="no-such-job", run_id="x", name="x"))
        assert (answer.status != 403) == (scope in allowed), path
        if answer.status == 403:
            assert scope in answer.problem["detail"]
            assert answer.problem["needed"] == scope


def test_every_change_is_in_the_table_of_scopes() -> None:
    posts = {path for path, methods in application.app.routes.items() if "POST" in methods}
    assert posts == set(SCOPE_OF_ROUTE)
    assert scope_needed("POST", "/not/in/the/table") == "admin"


def test_the_name_of_the_token_is_recorded(guarded: Sauron) -> None:
    run_id = bearer("trigger-token-1").post("/jobs/backup/trigger").json["queue_id"]
    assert bearer("read-token-1").get(f"/runs/{run_id}").json["requested_by"] == "bot"


def test_browsers_sign_in_to_the_page_and_only_to_it(guarded: Sauron) -> None:
    assert basic("read-token-1").get("/").status == 200
    assert basic("read-token-1").get("/jobs").status == 401
    assert Client().get("/").headers["www-authenticate"].startswith("Basic ")
    assert Client().get("/jobs").headers["www-authenticate"].startswith("Bearer ")
    assert Client({"Authorization": "Basic ###"}).get("/").status == 401


def test_this_process_may_ask_itself(guarded: Sauron) -> None:
    ours = bearer(internal_token())
    run_id = ours.post("/jobs/backup/trigger").json["queue_id"]
    named = ours.post("/jobs/backup/trigger", X_Sauron_By="maria").json["queue_id"]
    assert ours.get(f"/runs/{run_id}").json["requested_by"] == "cli"
    assert ours.get(f"/runs/{named}").json["requested_by"] == "maria"
    other = bearer("operate-token-1").post("/jobs/backup/trigger", X_Sauron_By="maria").json["queue_id"]
    assert ours.get(f"/runs/{other}").json["requested_by"] == "jarvis"


def test_without_tokens_the_api_is_open_and_status_says_so(sauron: Sauron, client: Client) -> None:
    assert client.post("/jobs/nightly-backup/trigger").status == 200
    assert client.get("/status").json["api_open"] is True


def test_with_tokens_status_says_it_is_not_open(guarded: Sauron) -> None:
    assert bearer("read-token-1").get("/status").json["api_open"] is False


def test_on_aws_without_tokens_everything_but_health_is_closed(build: Build) -> None:
    build(AWS_LAMBDA_FUNCTION_NAME="sauron-prod")
    assert Client().get("/health").status == 200
    for path in ("/", "/jobs", "/status"):
        assert "SAURON_API_TOKENS" in Client().get(path).problem["detail"]
        assert bearer("anything-at-all").get(path).status == 401


def test_many_wrong_tokens_of_one_address_get_429_and_a_right_one_is_let_in(
    guarded: Sauron, clock: ManualClock, log_text: io.StringIO
) -> None:
    refused = [bearer(f"guess-{number}").get("/jobs") for number in range(101)]
    assert [answer.status for answer in refused] == [401] * 100 + [429]
    assert refused[-1].headers["retry-after"] == "60"
    assert refused[-1].problem["title"] == "Too Many Requests"
    assert basic("guess-7").get("/").status == 429
    assert bearer("read-token-1").get("/jobs").status == 200
    assert basic("read-token-1").get("/").status == 200
    assert Client().get("/jobs").status == 401  # no token is not a wrong one
    clock.move(minutes=1)
    assert bearer("guess-102").get("/jobs").status == 401
    assert [json.loads(line)["count"] for line in log_text.getvalue().splitlines()] == [1, 102]
    assert "guess-" not in log_text.getvalue()


def test_what_was_refused_last_is_in_the_log_a_minute_later(
    guarded: Sauron, clock: ManualClock, log_text: io.StringIO
) -> None:
    for _ in range(3):
        bearer("wrong-token").get("/jobs")
    clock.move(minutes=1)
    application.upkeep(event("upkeep", clock.now()), None)
    told = [json.loads(line) for line in log_text.getvalue().splitlines()]
    (last,) = [one for one in told[1:] if one["event"] == "tokens.refused"]
    assert (last["count"], last["most_from"], last["of_it"]) == (2, "127.0.0.1", 2)
