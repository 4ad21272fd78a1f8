from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import SauronError
from sauron.aws import package, policies
from sauron.aws.cloud import Cloud
from sauron.aws.names import HANDLERS, Names
from tests import aws_iam
from tests.e2e.outside import ROOT


def test_a_policy_reaches_aws_for_one_partition_region_and_account_and_mail_for_the_region_that_sends_it(
    tmp_path: Path,
) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / ".chalice", root / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    ours = {"Resource": ["*", "arn:aws:s3:::bucket/*", "arn:aws:sqs:*:210987654321:other"]}
    (root / ".chalice/policy-prod-mine.json").write_text(json.dumps(ours), encoding="utf-8")
    china = Cloud(None, "cn-north-1", "123456789012", "arn:aws-cn:iam::123456789012:user/me", "aws-cn")
    for more, mail in (({}, "us-east-1"), ({"AWS_SES_REGION": "cn-northwest-1"}, "cn-northwest-1")):
        variables = {"FROM_EMAIL": "sauron@example.org"} | more
        folder = package.copy(root, "prod", package.config(root, "prod", variables), china)
        for file in sorted((folder / ".chalice").glob("policy-*-[!m]*.json")):
            for statement in json.loads(file.read_text(encoding="utf-8"))["Statement"]:
                resources = statement["Resource"]
                for resource in [resources] if isinstance(resources, str) else resources:
                    service = resource.split(":")[2]
                    region = mail if service == "ses" else "cn-north-1"
                    assert resource.startswith(f"arn:aws-cn:{service}:{region}:123456789012:"), resource
        assert json.loads((folder / ".chalice/policy-prod-mine.json").read_text(encoding="utf-8")) == {
            "Resource": ["*", "arn:aws-cn:s3:::bucket/*", "arn:aws-cn:sqs:*:210987654321:other"]
        }


PROD = Names("prod")
US = Cloud(None, "eu-west-1", "123456789012", "arn:aws:iam::123456789012:user/me")
MAILS = frozenset({"api_handler", "upkeep", "work"})  # an alert as a test, alerts, the digest
# What each function does in AWS.
CALLS = {
    handler: {
        *(("ssm:GetParametersByPath", "ssm", f"parameter{path}") for path in PROD.readable(handler)),
        ("sqs:SendMessage", "sqs", "sauron-prod-runs"),
        ("logs:PutLogEvents", "logs", f"log-group:/aws/lambda/{PROD.function(handler)}:log-stream:x"),
    }
    for handler in HANDLERS
}
CALLS["api_handler"].add(("lambda:InvokeFunction", "lambda", "function:sauron-prod-sync"))
for act in ("sqs:ReceiveMessage", "sqs:DeleteMessage"):
    CALLS["upkeep"].add((act, "sqs", "sauron-prod-runs-dead"))
    CALLS["work"].add((act, "sqs", "sauron-prod-runs"))
for name in MAILS:
    CALLS[name].add(("ses:SendEmail", "ses", "identity/example.org"))


def deployed(handler: str, **variables: str) -> list[dict[str, Any]]:
    """Return the statements of a function's policy as `up` deploys them."""
    text = (ROOT / f".chalice/policy-prod-{handler}.json").read_text(encoding="utf-8")
    mail = policies.mail_of(package.config(ROOT, "prod", variables))
    found = json.loads(policies.narrowed(text, US, mail))
    statements: list[dict[str, Any]] = found["Statement"]
    return statements


def allows(statements: list[dict[str, Any]], call: tuple[str, str, str], sender: str = "") -> bool:
    """Return whether a policy allows a call."""
    action, service, rest = call
    region = "us-east-1" if service == "ses" else "eu-west-1"
    arn = f"arn:aws:{service}:{region}:123456789012:{rest}"
    return aws_iam.allows(statements, aws_iam.Call(action, arn, {aws_iam.SENDER: sender}))


@pytest.mark.parametrize("handler", HANDLERS)
def test_each_function_may_do_what_it_does_and_nothing_of_what_the_others_do(handler: str) -> None:
    statements = deployed(handler, FROM_EMAIL="sauron@example.org")
    for call in set().union(*CALLS.values()):
        assert allows(statements, call, "sauron@example.org") == (call in CALLS[handler]), call
    above = ("ssm:GetParametersByPath", "ssm", "parameter/sauron/prod")  # recursively, all folders
    assert not allows(statements, above, "sauron@example.org")


@pytest.mark.parametrize(
    ("given", "senders"),
    [
        ("sauron@example.org", ["sauron@example.org"]),
        ('"Ops, at night" <Sauron@Example.org>', ["Sauron@Example.org"]),
        ("a@example.org, b@example.org", ["a@example.org", "b@example.org"]),
    ],
)
def test_mail_is_sent_from_the_configured_sender_alone(given: str, senders: list[str]) -> None:
    for handler, action in product(sorted(MAILS), ("ses:SendEmail", "ses:SendRawEmail")):
        statements = deployed(handler, FROM_EMAIL=given)
        call = (action, "ses", "identity/example.org")
        assert [allows(statements, call, sender) for sender in senders] == [True] * len(senders)
        assert not allows(statements, call, "ceo@example.org")


def test_without_a_sender_no_function_may_send_mail() -> None:
    for handler in HANDLERS:
        assert "ses:" not in json.dumps(deployed(handler))


def test_an_operator_s_own_statement_about_mail_stays() -> None:
    own = {"Sid": "MyMail", "Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"}
    limited = own | {"Sid": "SendMail", "Condition": {"StringEquals": {"ses:FromAddress": "me@example.org"}}}
    text = json.dumps({"Version": "2012-10-17", "Statement": [own, limited]})
    for variables in ({}, {"FROM_EMAIL": "sauron@example.org"}):
        mail = policies.mail_of(package.config(ROOT, "prod", variables))
        assert json.loads(policies.narrowed(text, US, mail)) == json.loads(text)


def test_a_policy_that_is_not_json_is_told() -> None:
    with pytest.raises(SauronError, match=r"policy in \.chalice is not valid JSON .*line 1"):
        policies.narrowed("{", US, policies.Mail("us-east-1", ()))
