"""IAM for the stand-in: calls by a known access key are judged by its policy, and refused as on AWS.

moto's own enforcement judges neither resources nor conditions. Limits: of IAM's language it knows what these
policies use: Allow, wildcards in resources, StringEqualsIgnoreCase on the sender and StringEquals on the
service that a role is handed to. Calls with any other key are not judged.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.utils import parseaddr
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

ACCOUNT = "123456789012"
GLOBAL = frozenset({"iam"})  # no region in their ARNs
SENDER, HANDED_TO = "ses:FromAddress", "iam:PassedToService"
CONDITIONS = {"StringEqualsIgnoreCase": SENDER, "StringEquals": HANDED_TO}
KEY = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True)
class Call:
    """One call as IAM sees it; `resource` is an ARN, or * where the call names none."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Judged:
    """What a key may do, and what it was refused."""

    statements: list[dict[str, Any]]
    allowed: list[Call] = field(default_factory=list)
    refused: list[Call] = field(default_factory=list)


def allows(statements: Iterable[Mapping[str, Any]], call: Call) -> bool:
    """Decide as IAM does."""
    return any(_applies(one, call) for one in statements)


def _applies(statement: Mapping[str, Any], call: Call) -> bool:
    assert statement["Effect"] == "Allow"
    for kind, tests in statement.get("Condition", {}).items():
        [(name, accepted)] = tests.items()
        assert CONDITIONS[kind] == name
        fold = str.lower if kind == "StringEqualsIgnoreCase" else str
        if fold(call.context.get(name, "")) not in {fold(one) for one in listed(accepted)}:
            return False
    return any(fnmatchcase(call.action, one) for one in listed(statement["Action"])) and any(
        fnmatchcase(call.resource, one) for one in listed(statement["Resource"])
    )


def listed(value: str | list[str]) -> list[str]:
    """Return what a policy names once or as a list, as a list."""
    return [value] if isinstance(value, str) else value


_KEYS: dict[str, Judged] = {}  # moto's responses are of the process, and so is who may call


def judge(key: str, statements: list[dict[str, Any]]) -> Judged:
    """Have every call with an access key judged from now on."""
    _install()
    _KEYS[key] = Judged(statements)
    return _KEYS[key]


def refusal(authorization: str, asked: Callable[[], list[Call]]) -> Call | None:
    """Return the first of some calls that the key in a header may not make, None if it may make all."""
    match = KEY.search(authorization)
    who = _KEYS.get(match[1]) if match else None
    for call in asked() if who else ():
        assert who is not None
        if not allows(who.statements, call):
            who.refused.append(call)
            return call
        who.allowed.append(call)
    return None


@functools.cache
def _install() -> None:
    from moto.core.exceptions import AccessDeniedError
    from moto.core.responses import BaseResponse

    original = BaseResponse._authenticate_and_authorize_normal_action

    def authorize(self: Any, resource: str = "*") -> None:
        who = self.headers.get("Authorization", "")
        if refused := refusal(who, lambda: calls(self)):
            raise AccessDeniedError("who calls", f"{refused.action} on {refused.resource}")
        original(self, resource)

    BaseResponse._authenticate_and_authorize_normal_action = authorize  # type: ignore[method-assign]


def calls(request: Any) -> list[Call]:
    """Return what IAM is asked for one request that moto has parsed."""
    service = str(request.boto3_service_name)
    if service == "sts":
        return []  # everybody may ask who they are
    region = "" if service in GLOBAL else request.region
    arn = f"arn:aws:{service}:{region}:{ACCOUNT}:"
    if service == "apigateway":
        path = unquote(urlsplit(request.uri).path)
        return [Call(f"apigateway:{request.method}", f"arn:aws:apigateway:{region}::{path}")]
    action = f"{service}:{_action(request)}"
    names = _named(request, service)
    found = [Call(action, one if one == "*" else f"{arn}{one}", _context(request)) for one in names]
    if role := request._get_param("Role") if action == "lambda:CreateFunction" else None:
        found.append(Call("iam:PassRole", role, {HANDED_TO: "lambda.amazonaws.com"}))
    return found


def _action(request: Any) -> str:
    name = str(request._get_action())
    if request.boto3_service_name == "sqs":
        return name.removesuffix("Batch")  # of several messages what is allowed of one
    # what IAM calls two of Lambda's calls otherwise
    return {"Invoke": "InvokeFunction", "GetLayerVersionByArn": "GetLayerVersion"}.get(name, name)


def _context(request: Any) -> dict[str, str]:
    if request.boto3_service_name != "ses":
        return {}
    sender = request._get_param("Source")
    if raw := request._get_param("RawMessage.Data"):
        sender = parseaddr(message_from_bytes(base64.b64decode(raw))["From"])[1]
    return {SENDER: sender} if sender else {}


def _named(request: Any, service: str) -> list[str]:
    """Return the resources that a request names, as the ends of their ARNs."""
    get = request._get_param

    def many(name: str) -> list[str]:
        return list(get(name) or [])

    if service == "lambda":
        path = unquote(urlsplit(request.uri).path)
        if arn := get("Arn"):  # a layer, found by it
            return [arn.split(":", 5)[5]]
        new = path.endswith(("/functions/", "/functions"))
        return [f"function:{get('FunctionName')}" if new else _of_lambda(path)]
    named: dict[str, Callable[[], list[str]]] = {
        "sqs": lambda: [get("QueueName") or str(get("QueueUrl")).rpartition("/")[2]],
        "ssm": lambda: [
            f"parameter/{one.strip('/')}" for one in many("Names") or [get("Name") or get("Path")]
        ],
        "logs": lambda: [f"log-group:{get('logGroupName')}"],
        "iam": lambda: [f"role/{get('RoleName')}"],
        "events": lambda: [f"rule/{get('Name') or get('Rule')}"],
        "cloudwatch": lambda: [f"alarm:{one}" for one in many("AlarmNames") or [get("AlarmName")]],
        "sns": lambda: [(get("TopicArn") or get("Name")).rpartition(":")[2]],
        "ses": lambda: [f"identity/{_context(request).get(SENDER, '').rpartition('@')[2]}"],
    }
    # moto gives None where a request names nothing
    return ["*" if one.endswith(("None", ":", "/")) else one for one in named[service]()]


def _of_lambda(path: str) -> str:
    """Return the resource in a path of Lambda's API: a function, a layer with its version, or all."""
    parts = path.strip("/").split("/")[1:]  # without the API's date
    if parts[0] == "functions" and len(parts) > 1:
        return f"function:{parts[1].rpartition(':')[2]}"
    if parts[0] == "layers" and len(parts) > 1:
        return ":".join(["layer", parts[1], *parts[3:4]])
    if parts[0] == "tags":
        return "function:" + path.rpartition(":")[2]
    if parts[0] == "event-source-mappings" and len(parts) > 1:
        return f"event-source-mapping:{parts[1]}"
    return "*"


def statements(text: str) -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found
