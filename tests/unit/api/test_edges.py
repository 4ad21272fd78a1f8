"""What the API does with requests that are wrong."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from chalice.app import EventSourceHandler, Rate, ScheduledEventConfig, SQSEventConfig
from chalice.config import Config
from chalice.deploy.validate import validate_configuration
from chalice.local import LambdaContext

import app as application
from chalicelib import logs, wiring
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client

JSON = {"Content-Type": "application/json"}
TRIGGER = "/jobs/nightly-backup/trigger"
PROJECT = Path(application.__file__).parent


@pytest.mark.parametrize(
    "path", [path for path, methods in application.app.routes.items() if "GET" in methods]
)
def test_head_answers_like_get_without_a_body(sauron: Sauron, client: Client, path: str) -> None:
    run_id = client.post(TRIGGER).json["queue_id"]
    asked = path.format(job_id="digest", run_id=run_id)
    got, head = client.get(asked), client.ask("HEAD", asked)
    assert (head.status, head.headers, head.body) == (got.status, got.headers, "")


def test_a_method_that_is_not_there_is_405_with_those_that_are(sauron: Sauron, client: Client) -> None:
    answer = client.ask("DELETE", "/jobs/digest")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert "DELETE" in answer.problem["detail"]
    assert client.get("/sync").problem["status"] == 405


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"reason": }', "line 1, column 12"),
        (b"[1]", "object"),
        (b'"text"', "object"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"params": {"x": NaN}}', "NaN"),
        (b'{"reason": "\\ud800"}', "Unicode"),
        (b'{"params": {"a\\u0000": 1}}', "NUL"),
        (b'{"params": ' + b'{"a":' * 100 + b"1" + b"}" * 101, "nested"),
        (b"[" * 60_000, "nested"),
        (b'{"params": {"n": ' + b"9" * 5000 + b"}}", "digits"),
    ],
)
def test_a_body_that_is_no_json_object_is_400_and_says_where(
    sauron: Sauron, client: Client, body: bytes, hint: str
) -> None:
    said = client.ask("POST", TRIGGER, body, JSON).problem
    assert said["status"] == 400
    assert hint in said["detail"]
    assert client.get("/runs").json["count"] == 0


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        (TRIGGER, {"parms": {}}, "parms: there is no such member here; there are params, reason, force"),
        (TRIGGER, {"params": [1]}, "params: Input should be a valid dictionary"),
        (TRIGGER, {"force": "perhaps"}, "force: Input should be a valid boolean, unable to interpret input"),
        (TRIGGER, {"reason": "x" * 501}, "reason: String should have at most 500 characters"),
        ("/sync", {"ref": ""}, "ref: String should have at least 1 character"),
        (
            "/sync",
            {"accept_removals": 3},
            "accept_removals: Input should be a valid boolean, unable to interpret input",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_422_with_the_faults(
    sauron: Sauron, client: Client, path: str, body: object, fault: str
) -> None:
    said = client.post(path, body).problem
    assert (said["status"], said["faults"]) == (422, [fault])


def test_a_body_over_64_kb_is_413(sauron: Sauron, client: Client) -> None:
    assert client.ask("POST", TRIGGER, b" " * 65_537, JSON).problem["status"] == 413
    assert client.ask("POST", TRIGGER, b" " * 65_536, JSON).status == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_a_body_that_is_not_said_to_be_json_is_415(sauron: Sauron, client: Client, kind: str) -> None:
    said = client.ask("POST", TRIGGER, b'{"force": true}', {"Content-Type": kind}).problem
    assert said["status"] == 415
    assert kind in said["detail"]


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What Sauron's log says."""
    before = logging.getLogger().handlers[:]
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


def test_a_fault_inside_is_500_with_the_reason_in_the_log_only(
    sauron: Sauron, client: Client, said: io.StringIO
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("UPDATE jobs SET record = '{not json'")
    for path in ("/jobs", "/"):
        problem = client.get(path).problem
        assert problem["status"] == 500
        assert "json" not in problem["detail"].lower()
        assert "JSONDecodeError" in said.getvalue()


def test_a_store_that_cannot_be_used_is_503_with_the_reason_in_the_log_only(
    sauron: Sauron, client: Client, said: io.StringIO
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
    for path in ("/jobs", "/status"):
        problem = client.get(path).problem
        assert problem["status"] == 503
        assert "jobs" not in str(problem)
        assert "no such table: jobs" in said.getvalue()


@pytest.mark.parametrize("path", ["/jobs/%00", "/runs/a%00b", "/runs/%00/log"])
def test_a_name_that_no_store_can_hold_is_404(client: Client, path: str) -> None:
    problem = client.get(path).problem
    assert (problem["status"], "NUL" in problem["detail"]) == (404, True)


def test_settings_that_cannot_be_used_are_500_without_saying_which(
    monkeypatch: pytest.MonkeyPatch, client: Client, said: io.StringIO
) -> None:
    monkeypatch.setenv("API_PORT", "http")
    wiring.PROCESS.set(None)
    answer = client.get("/status")
    assert answer.problem["status"] == 500
    assert "API_PORT" not in answer.body
    assert "API_PORT" in said.getvalue()


def test_no_answer_is_cached_or_guessed_at(sauron: Sauron, client: Client) -> None:
    for path in ("/jobs", "/", "/jobs/none"):
        headers = client.get(path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_chalice_would_deploy_these_routes() -> None:
    validate_configuration(
        Config(
            chalice_stage="dev",
            config_from_disk={"app_name": "sauron", "stages": {"dev": {}}},
            user_provided_params={"chalice_app": application.app, "project_dir": str(PROJECT)},
        )
    )


def test_importing_the_application_starts_and_opens_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading; before = dict(os.environ); import app;"
        "assert threading.active_count() == 1, threading.enumerate();"
        "assert dict(os.environ) == before, set(os.environ) ^ set(before);"
        "from chalicelib import wiring; assert wiring.PROCESS.built is None;"
        "heavy = {'git', 'boto3', 'alembic', 'paramiko', 'httpx', 'jsonschema', 'cron_descriptor', 'pydantic', 'jinja2'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "local"),
    [
        (["chalice", "local"], True),
        (["chalice", "local", "--stage", "dev", "--no-autoreload"], True),
        (["/venv/bin/chalice", "--project-dir", "/srv/x", "--debug", "local"], True),
        (["chalice", "--project-dir=/srv/x", "local"], True),
        (["chalice", "package", "local"], False),
        (["chalice", "--project-dir", "local", "deploy"], False),
        (["chalice"], False),
    ],
)
def test_only_chalice_local_starts_the_clock(argv: list[str], local: bool) -> None:
    assert application.under_chalice_local(argv, {"AWS_CHALICE_CLI_MODE": "true"}) is local
    assert application.under_chalice_local(argv, {}) is False


def test_scheduled_handlers_are_declared_in_the_application_itself() -> None:
    sources = {source.name: source for source in application.app.event_sources}
    messages = sources.pop("work")
    assert isinstance(messages, SQSEventConfig)
    assert (messages.queue, messages.batch_size, messages.handler_string) == (
        "sauron-dev-runs",
        1,
        "app.work",
    )
    assert set(sources) == {"tick", "sync", "upkeep"}
    for name, source in sources.items():
        assert isinstance(source, ScheduledEventConfig)
        assert isinstance(source.schedule_expression, Rate)
        assert source.schedule_expression.to_string() == "rate(1 minute)"
        assert source.handler_string == f"app.{name}"


def test_the_middleware_of_scheduled_handlers_is_settled_before_their_first_call() -> None:
    for name in ("tick", "sync", "upkeep"):
        handler = application.app.handler_map[name]
        assert isinstance(handler, EventSourceHandler)
        assert isinstance(handler.middleware_handlers, list)


def test_an_eventbridge_event_does_the_duty(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    clock.move(hours=14, minutes=59)
    event = {
        "version": "0",
        "id": "1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "0",
        "time": "2026-03-03T02:59:30Z",
        "region": "local",
        "resources": [],
        "detail": {},
    }
    for name in ("tick", "sync", "upkeep"):
        assert application.app.handler_map[name](event, LambdaContext(name, 128)) is None
    assert [run["job_id"] for run in client.get("/runs?job_id=nightly-backup").json["runs"]] == [
        "nightly-backup"
    ]
    assert [job["id"] for job in client.get("/jobs?tag=builtin").json["jobs"]] == [
        "sauron.backup",
        "sauron.digest",
        "sauron.health",
        "sauron.retention",
    ]


def test_concurrent_requests_are_answered_each_with_its_own(sauron: Sauron, client: Client) -> None:
    ids = [f"job-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda job_id: client.get(f"/jobs/{job_id}").problem["job_id"], ids))
        limits = list(
            threads.map(lambda count: client.get(f"/next?count={count}").json["count"], range(1, 30))
        )
    assert answers == ids
    assert limits == list(range(1, 30))
