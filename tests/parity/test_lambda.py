"""What only Lambda has: a zip with nothing but boto3 beside it, frozen environments, hard limits, a queue."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from chalicelib.runtime.self_check import CHECKS
from tests import aws_server
from tests.conftest import Databases
from tests.e2e.outside import ROOT, command, wait_for
from tests.lambda_zip import RUNTIME, Package, package
from tests.loopback import NO_TLS
from tests.parity.lambda_cloud import RECEIVED_MOST, Cloud
from tests.parity.lambda_target import LambdaTarget
from tests.parity.runtime_api import Lambda
from tests.parity.sandbox import Function, Outcome
from tests.parity.target import ADMIN

pytestmark = pytest.mark.timeout(900)  # packaging takes its time

HANDLERS = """
import os, subprocess, sys, threading, time

def echo(event, context):
    return {"event": event, "left": context.get_remaining_time_in_millis(), "pid": os.getpid(),
            "name": context.function_name,
            "environ": dict(os.environ), "cwd": os.getcwd(), "path": sys.path}

def fails(event, context):
    raise ValueError("it was not meant to be")

def leaves(event, context):
    os._exit(3)

def hangs(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    open(event["file"], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(600)

def api(event, context):
    return {"statusCode": 200, "body": __import__("json").dumps(event),
            "headers": {"WWW-Authenticate": "Basic"},
            "multiValueHeaders": {"X-Twice": ["1", "2"]}}

counted = []
def counts(event, context):
    if not counted:
        counted.append(0)
        def count():
            while True:
                counted[0] += 1
                time.sleep(0.001)
        threading.Thread(target=count, daemon=True).start()
    return counted[0]
"""


def own_package(folder: Path, **functions: str) -> Package:
    """Put our handlers in the place of Sauron's: those of `functions`, by the template's names."""
    found = package()
    (folder / "task").mkdir(parents=True)
    for name in ("runtime", "python", "bin"):
        (folder / name).symlink_to(found.folder / name)
    (folder / "task/ours.py").write_text(HANDLERS)
    template = json.loads(json.dumps(found.template))
    for name, handler in functions.items():
        template["Resources"][name]["Properties"]["Handler"] = f"ours.{handler}"
    (folder / "sam.json").write_text(json.dumps(template))
    return Package(folder)


@pytest.fixture
def lambdas(tmp_path: Path) -> Iterator[Lambda]:
    """Functions of a small file of ours in the runtime of the real package."""
    made = Lambda(own_package(tmp_path / "package"), tmp_path)
    names = ("echo", "fails", "leaves", "hangs", "counts")
    made.deploy([Function(name, f"ours.{name}", 1.0 if name == "hangs" else 10.0) for name in names])
    yield made
    made.close()


def answer(outcome: Outcome) -> object:
    assert outcome.error is None, outcome.payload
    return json.loads(outcome.payload)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_function_meets_what_lambda_gives_it_and_nothing_of_this_machine(
    lambdas: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPERATORS_OWN", "secret")
    met = answer(lambdas.invoke("echo", b'{"a": 1}'))
    assert isinstance(met, dict)
    assert met["event"] == {"a": 1}
    assert met["name"] == "echo"
    assert 5000 < met["left"] <= 10_000
    environ = met["environ"]
    assert environ["PATH"] == f"{lambdas.package.python.parent}:{lambdas.package.programs}"
    assert not shutil.which("git", path=environ["PATH"])
    assert not {"HOME", "OPERATORS_OWN", "VIRTUAL_ENV"} & environ.keys()
    assert met["cwd"] == str(lambdas.package.task_root)
    assert not [place for place in met["path"] if "site-packages" in place]
    assert {path.name.partition(".")[0] for path in lambdas.package.runtime.iterdir()} == {
        pattern.partition(".")[0] for pattern in RUNTIME
    }


def test_an_environment_is_kept_and_two_invocations_at_once_get_two(lambdas: Lambda) -> None:
    first, second = (answer(lambdas.invoke("echo", b"{}")) for _ in range(2))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["pid"] == second["pid"]
    with ThreadPoolExecutor(2) as threads:
        barrier = threading.Barrier(2)
        both = list(threads.map(lambda _: (barrier.wait(), lambdas.invoke("counts", b"{}"))[1], range(2)))
    assert [one.error for one in both] == [None, None]
    assert len(lambdas.sandboxes("counts")) == 2


def test_nothing_runs_between_invocations(lambdas: Lambda) -> None:
    answer(lambdas.invoke("counts", b"{}"))
    [sandbox] = lambdas.sandboxes("counts")

    def stopped() -> bool:
        states = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in sandbox.processes()
        ]
        return set(states) == {"T"}

    wait_for(stopped, what="every process is stopped")
    counted = answer(lambdas.invoke("counts", b"{}"))
    assert isinstance(counted, int)
    assert counted < 1000


def test_what_outlives_its_timeout_is_killed_with_all_its_processes(lambdas: Lambda, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    ended = lambdas.invoke("hangs", json.dumps({"file": str(file)}).encode())
    assert ended.timed_out
    assert ended.error == "Unhandled"
    assert "Task timed out after 1.00 seconds" in ended.payload.decode()
    assert lambdas.timed_out == ["hangs"]
    pids = [int(pid) for pid in file.read_text().split()]
    wait_for(lambda: not any(map(alive, pids)), what="both processes are gone")
    assert lambdas.sandboxes("hangs") == []


def test_an_error_and_an_exit_are_told_as_lambda_tells_them_and_the_next_invocation_works(
    lambdas: Lambda,
) -> None:
    failed = lambdas.invoke("fails", b"{}")
    assert failed.error == "Unhandled"
    assert json.loads(failed.payload)["errorMessage"] == "it was not meant to be"
    assert len(lambdas.sandboxes("fails")) == 1
    assert b"Runtime exited" in lambdas.invoke("leaves", b"{}").payload
    assert lambdas.sandboxes("leaves") == []


def test_the_invoke_api_answers_boto3(lambdas: Lambda) -> None:
    from typing import Any

    import boto3

    makes: Any = boto3.client
    client = makes(
        "lambda",
        region_name="us-east-1",
        endpoint_url=lambdas.url,
        aws_access_key_id="t",
        aws_secret_access_key="t",
    )
    said = client.invoke(FunctionName="echo", Payload=b'{"b": 2}')
    assert said["StatusCode"] == 200
    assert json.loads(said["Payload"].read())["event"] == {"b": 2}
    assert client.invoke(FunctionName="fails")["FunctionError"] == "Unhandled"
    assert client.invoke(FunctionName="echo", InvocationType="Event")["StatusCode"] == 202
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="unknown")
    client.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A stage whose API answers the event it got, whose tick answers nothing, and whose work fails."""
    aws = aws_server.start()
    made = Cloud(
        aws,
        own_package(tmp_path / "package", APIHandler="api", Tick="echo", Work="fails"),
        tmp_path,
        visibility_seconds=1,
    )
    made.start({}, {}, clock=False)
    yield made
    made.close()
    aws.close()


def test_a_request_becomes_the_event_of_api_gateway_and_the_answer_a_response(cloud: Cloud) -> None:
    sent = [("X-Mine", "1"), ("X-Mine", "2")]
    with httpx.Client(trust_env=False, timeout=40, verify=NO_TLS) as http:
        said = http.post(
            f"{cloud.url}/jobs/a%20b/trigger?tag=x&tag=y&empty=",
            content='{"reason": "\u00e4"}'.encode(),
            headers=sent,
        )
        assert http.get(f"{cloud.url}/no/such/path").status_code == 403
        assert http.put(f"{cloud.url}/jobs").json() == {"message": "Missing Authentication Token"}
        assert http.head(f"{cloud.url}/jobs").status_code == 200
    assert said.headers.get_list("x-twice") == ["1", "2"]
    assert "www-authenticate" not in said.headers
    assert said.headers["x-amzn-remapped-www-authenticate"] == "Basic"
    event = said.json()
    assert (event["resource"], event["path"], event["httpMethod"]) == (
        "/jobs/{job_id}/trigger",
        "/jobs/a%20b/trigger",
        "POST",
    )
    assert event["pathParameters"] == {"job_id": "a%20b"}
    assert event["queryStringParameters"] == {"tag": "y", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"tag": ["x", "y"], "empty": [""]}
    assert event["multiValueHeaders"]["X-Mine"] == ["1", "2"]
    assert event["headers"]["X-Mine"] == "2"
    assert event["requestContext"]["path"] == f"/{cloud.api.stage}/jobs/a%20b/trigger"
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert (event["body"], event["isBase64Encoded"]) == ('{"reason": "\u00e4"}', False)


def test_a_rule_sends_the_event_of_eventbridge(cloud: Cloud) -> None:
    event = json.loads(cloud.fire("tick"))["event"]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert json.loads(cloud.fire("tick", {"act": "sync"}))["event"]["detail"] == {"act": "sync"}


def test_a_message_whose_function_keeps_failing_ends_in_the_dead_letter_queue(cloud: Cloud) -> None:
    sqs = cloud.aws.client("sqs")
    sqs.send_message(QueueUrl=cloud.queue_url, MessageBody='{"run_id": "1"}')

    def dead() -> str | None:
        found = sqs.receive_message(QueueUrl=cloud.dead_url, WaitTimeSeconds=0).get("Messages", [])
        return found[0]["Body"] if found else None

    assert wait_for(dead, what="the message is given up", seconds=90) == '{"run_id": "1"}'
    invocations = cloud.lambdas.log_of(cloud.function("work")).read_text().count("REPORT")
    assert invocations == RECEIVED_MOST
    sqs.close()


def _documented() -> list[str]:
    """Return what docs/aws.md shows of the check of the work function."""
    page = (ROOT / "docs/aws.md").read_text(encoding="utf-8")
    return [row.split("  ", 1)[1] for row in page.splitlines() if row.startswith("sauron-prod-work  ")]


def _constant(lines: list[str]) -> list[str]:
    """Leave out what differs between two machines and two times."""
    apart = [re.sub(r" {2,}", "  ", line.strip()) for line in lines]
    return [re.sub(r"OpenSSL .*|\d[\d.:TZ-]*", "#", line) for line in apart]


def test_the_functions_check_themselves_and_a_command_shows_it(tmp_path: Path, databases: Databases) -> None:
    target = LambdaTarget(tmp_path / "stage", databases)
    try:
        ses = target.cloud.aws.client("ses")
        ses.verify_email_identity(EmailAddress="sauron@example.org")
        target.start(SAURON_API_TOKENS=f"me:admin:{ADMIN}", FROM_EMAIL="sauron@example.org")
        near = target.cloud.aws.environ | {"AWS_ENDPOINT_URL_LAMBDA": target.cloud.lambdas.url}
        said = command(tmp_path, "aws", "check", "--json", seconds=100, **near)
        assert said.code == 0, said.out + said.err
        found = {(line["function"], line["check"]) for line in said.json}
        duties = ("tick", "sync", "upkeep", "work")
        assert found == {(f"sauron-prod-{duty}", check) for duty in duties for check in CHECKS}
        shown = [line for line in said.json if line["function"] == "sauron-prod-work"]
        assert _constant(_documented()) == _constant([f"{one['check']}  ok  {one['found']}" for one in shown])
        assert ses.get_send_quota()["SentLast24Hours"] == 2  # upkeep and work may send mail
        ses.delete_identity(Identity="sauron@example.org")
        wrong = command(tmp_path, "aws", "check", seconds=100, **near)
        assert wrong.code == 1
        assert "sauron-prod-work, mail: verify FROM_EMAIL in SES" in " ".join(wrong.err.split())
        ses.close()
    finally:
        target.close()
