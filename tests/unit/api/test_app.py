from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from chalice.app import EventSourceHandler, Rate, ScheduledEventConfig, SQSEventConfig
from chalice.config import Config
from chalice.deploy.validate import validate_configuration
from chalice.local import LambdaContext

import app as application
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client

PROJECT = Path(application.__file__).parent


def test_chalice_would_deploy_these_routes() -> None:
    validate_configuration(
        Config(
            chalice_stage="dev",
            config_from_disk={"app_name": "sauron", "stages": {"dev": {}}},
            user_provided_params={"chalice_app": application.app, "project_dir": str(PROJECT)},
        )
    )


@pytest.mark.process
def test_importing_the_application_starts_and_opens_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading; before = dict(os.environ); import app;"
        "assert threading.active_count() == 1, threading.enumerate();"
        "assert dict(os.environ) == before, set(os.environ) ^ set(before);"
        "from chalicelib import wiring; assert wiring.PROCESS.built is None;"
        "import gc; assert gc.isenabled() and gc.get_freeze_count() > 10_000;"
        "heavy = {'git', 'boto3', 'alembic', 'paramiko', 'httpx', 'jsonschema', 'cron_descriptor'};"
        "heavy |= {'pydantic', 'jinja2', 'prometheus_client'};"
        "heavy |= {'rich', 'psycopg', 'sqlalchemy.dialects.postgresql'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_queue_without_a_name_keeps_the_application_importable() -> None:
    code = (
        "import app; from chalice.app import SQSEventConfig;"
        "print(*(one.queue for one in app.app.event_sources if isinstance(one, SQSEventConfig)))"
    )
    for given in ("", " ", "https://sqs.example/1/"):  # docker-compose.yml passes every setting, most empty
        environ = {"PATH": os.environ["PATH"], "SAURON_SQS_QUEUE_URL": given}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PROJECT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "sauron-dev-runs\n", (given, done.stderr)


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
