"""The template of `make package`: what CloudFormation makes of it is what `sauron aws up` makes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sauron.aws import alarms, functions, inventory, limits, logs, queues
from sauron.aws.cloud import Cloud, StackError
from sauron.aws.desired import JOBS_DIR
from sauron.aws.down import plan_down
from sauron.aws.names import HANDLERS, SCHEDULED
from sauron.aws.plan import Act
from tests import aws_server, lambda_zip
from tests.aws_stack import ACCOUNT, KINDS, Stack, translated
from tests.aws_state import PATHS, PROD, state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LARGEST_BYTES = 1_000_000  # that CloudFormation reads from a bucket


@pytest.fixture(scope="module")
def aws() -> Iterator[aws_server.Aws]:
    running = aws_server.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def template(aws: aws_server.Aws) -> dict[str, Any]:
    """The template as CloudFormation gets it, with a zip in a bucket that it may be made of."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="zip", Body=lambda_zip.empty_zip())
    return translated(lambda_zip.package().template, "code", "zip")


@pytest.fixture(scope="module")
def cloud(aws: aws_server.Aws) -> Cloud:
    session = boto3.Session("testing", "testing", region_name=aws_server.REGION)
    arn = f"arn:aws:iam::{ACCOUNT}:user/me"
    return Cloud(_At(session, aws.url), aws_server.REGION, ACCOUNT, arn)


class _At:
    """A session whose clients speak to the stand-in."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        self._session, self._url = session, url

    def client(self, service: str) -> Any:
        makes: Any = self._session.client
        return makes(service, endpoint_url=self._url)


@pytest.fixture(scope="module")
def outputs(aws: aws_server.Aws, template: dict[str, Any]) -> dict[str, str]:
    """What the stack says after it was made with every parameter."""
    given = {
        "AlarmEmail": "ops@example.org",
        "ReserveForClock": "yes",
        "Sender": "sauron@example.org",
        "RunsAtOnce": "7",
        "MailRegion": "eu-west-1",
        "Revision": "r2",
    }
    return Stack(aws, "my-sauron", template, given).create()


@pytest.fixture(scope="module")
def has(outputs: dict[str, str], aws: aws_server.Aws) -> dict[str, Any]:
    return state(aws)


def test_cfn_lint_finds_nothing_in_it() -> None:
    file = lambda_zip.package().folder / "sam.json"
    assert file.stat().st_size < LARGEST_BYTES
    linted = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--regions", "us-east-1", "--", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stdout + linted.stderr


def test_up_would_change_nothing_of_what_the_template_made(outputs: dict[str, str], cloud: Cloud) -> None:
    assert outputs["APIHandlerName"] == "sauron-prod"
    room = limits.Room(1000, 998)
    limited, _ = limits.steps(cloud, PROD, 7, room, deploys=False)
    steps = [
        *queues.steps(cloud, PROD),
        *logs.steps(cloud, PROD),
        functions.step(cloud, PROD, lambda: "", deploys=False),
        *limited,
        *alarms.steps(cloud, PROD, "ops@example.org"),
    ]
    assert {step.what: (step.act, step.why) for step in steps if step.act is not Act.KEEP} == {}
    assert len(steps) == 2 + 5 + 1 + 5 + 1 + 6


def test_every_resource_has_the_name_by_which_up_finds_it(
    outputs: dict[str, str], has: dict[str, Any], aws: aws_server.Aws, cloud: Cloud
) -> None:
    there = {(one["resource_type"], one["name"]) for one in inventory.resources(cloud, PROD)}
    assert there == {
        *(("lambda_function", handler) for handler in HANDLERS),
        *(("iam_role", f"{handler}_role") for handler in HANDLERS),
        *(("cloudwatch_event", f"{handler}-event") for handler in SCHEDULED),
        ("sqs_event", "work-sqs-event-source"),
        ("rest_api", "rest_api"),
    }
    assert inventory.rest_api(cloud, PROD) == has["apis"][0] == outputs["RestAPIId"]
    assert has["parameters"] == {
        "/sauron/prod/shared/SAURON_PUBLIC_URL": ("String", outputs["EndpointURL"], 1),
    }
    for handler in SCHEDULED:
        [target] = aws.client("events").list_targets_by_rule(Rule=PROD.rule(handler))["Targets"]
        assert target["Arn"].endswith(f":function:{PROD.function(handler)}")


def test_functions_know_their_queue_their_parameters_and_the_sender(has: dict[str, Any]) -> None:
    [queue] = [url for url in has["queues"] if url.endswith("-runs")]
    limits_of = {"sauron-prod": (29, 512), "sauron-prod-tick": (60, 512), "sauron-prod-upkeep": (120, 512)}
    limits_of |= {"sauron-prod-sync": (300, 1024), "sauron-prod-work": (900, 1024)}
    found = has["functions"]
    assert found.keys() == limits_of.keys()
    for name, one in found.items():
        assert (one["Timeout"], one["MemorySize"]) == limits_of[name]
        assert one["Runtime"] == "python{}.{}".format(*sys.version_info)
        assert one["Environment"]["Variables"] == {
            "JOBS_DIR": JOBS_DIR,
            "SAURON_SSM_PATH": PATHS[name],
            "SAURON_SQS_QUEUE_URL": queue,
            "SECRETS_REVISION": "r2",
            "FROM_EMAIL": "sauron@example.org",
            "AWS_SES_REGION": "eu-west-1",
        }


def _statements(aws: aws_server.Aws, handler: str) -> list[dict[str, Any]]:
    iam, role = aws.client("iam"), PROD.role(handler)
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    found = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
    assert isinstance(found, list)
    return found


def test_roles_are_limited_to_the_account_the_region_and_the_sender(
    outputs: dict[str, str], aws: aws_server.Aws
) -> None:
    for handler in HANDLERS:
        for statement in _statements(aws, handler):
            given = statement["Resource"]
            for resource in [given] if isinstance(given, str) else given:
                region = "eu-west-1" if ":ses:" in resource else aws_server.REGION
                assert resource.split(":")[:2] == ["arn", "aws"]
                assert resource.split(":")[3:5] == [region, ACCOUNT], resource
            if statement["Sid"] == "SendMail":
                only = {"StringEqualsIgnoreCase": {"ses:FromAddress": ["sauron@example.org"]}}
                assert statement["Condition"] == only


def test_neither_up_nor_down_touches_what_a_stack_owns(
    has: dict[str, Any], aws: aws_server.Aws, cloud: Cloud, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match="Stage prod was made by the CloudFormation stack my-sauron"):
        plan_down(cloud, tmp_path, PROD)
    assert state(aws) == has


def test_without_parameters_no_mail_is_allowed_nobody_is_told_and_nothing_is_reserved(
    template: dict[str, Any], aws: aws_server.Aws
) -> None:
    made: dict[str, dict[str, Any]] = {}

    def note(_stack: Stack, logical: str, has: dict[str, Any]) -> dict[str, str]:
        made[logical] = has
        return {"Ref": logical, "Arn": f"arn-of-{logical}"}

    Stack(aws, "my-sauron", template, kinds=dict.fromkeys(KINDS, note)).create()
    assert "AlarmTopic" not in made
    assert made["WorkWorkSqsEventSource"]["ScalingConfig"] == {"MaximumConcurrency": 5}
    for name in ("APIHandler", "Tick", "Sync", "Upkeep", "Work"):
        assert "FROM_EMAIL" not in made[name]["Environment"]["Variables"]
        assert "ReservedConcurrentExecutions" not in made[name]
        role = "ApiHandlerRole" if name == "APIHandler" else f"{name}Role"
        assert "ses:" not in json.dumps(made[role])
    for name in template["Resources"]:
        if name.startswith("Alarm") and name != "AlarmTopic":
            assert not {"AlarmActions", "OKActions"} & made[name].keys()
