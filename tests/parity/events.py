"""Events as AWS hands them to a function, and an API Gateway response turned back into HTTP.

Sources: "Lambda proxy integrations in API Gateway" (REST API, payload 1.0), "Using Lambda with Amazon SQS",
"Schedule events" of EventBridge, and "Amazon API Gateway important notes" for the headers it renames.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.parity.sandbox import ACCOUNT, REGION

API_ID = "a1b2c3d4e5"
_RENAMED = frozenset(
    {"authorization", "connection", "content-md5", "date", "expect", "host", "server", "www-authenticate"}
)
_NOT_PASSED = frozenset(
    {"content-length", "transfer-encoding", "keep-alive", "te", "trailer", "upgrade", "proxy-authorization"}
)


@dataclass(frozen=True)
class Route:
    """A resource of the API with the methods it has."""

    resource: str
    methods: frozenset[str]

    def captured(self, path: str) -> dict[str, str] | None:
        """Return the path's parameters as they were sent, if it is this resource."""
        wanted, given = self.resource.strip("/").split("/"), path.strip("/").split("/")
        if len(wanted) != len(given):
            return None
        found = {}
        for want, part in zip(wanted, given, strict=True):
            if want.startswith("{"):
                if not part:
                    return None
                found[want.strip("{}")] = part
            elif want != part:
                return None
        return found


@dataclass(frozen=True)
class Api:
    """A deployed REST API: its routes and the types it treats as bytes."""

    stage: str
    routes: Sequence[Route]
    binary_types: frozenset[str]

    @classmethod
    def of(cls, template: Mapping[str, Any]) -> Api:
        """Read what a SAM template declares."""
        [properties] = [
            one["Properties"]
            for one in template["Resources"].values()
            if one["Type"] == "AWS::Serverless::Api"
        ]
        body = properties["DefinitionBody"]
        methods = {
            resource: frozenset(name.upper() for name in found) for resource, found in body["paths"].items()
        }
        routes = [Route(resource, found) for resource, found in methods.items()]
        # what is written out goes before what is captured
        routes.sort(key=lambda route: "{" in route.resource)
        return cls(properties["StageName"], routes, frozenset(body["x-amazon-apigateway-binary-media-types"]))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request; None is what API Gateway answers with 403."""
        for route in self.routes:
            captured = route.captured(path)
            if captured is not None and method in route.methods:
                return route, captured
        return None


def proxy_event(
    api: Api, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, *, source_ip: str
) -> dict[str, Any] | None:
    """Return the event of an HTTP request to `/<stage>/...`, None for an unknown resource or method."""
    parts = urlsplit(target)
    prefix = f"/{api.stage}"
    if parts.path != prefix and not parts.path.startswith(f"{prefix}/"):
        return None
    path = parts.path.removeprefix(prefix) or "/"
    found = api.find(method, path)
    if found is None:
        return None
    route, captured = found
    now = datetime.now(UTC)
    domain = f"{API_ID}.execute-api.{REGION}.amazonaws.com"
    passed = [
        pair
        for pair in headers
        if pair[0].lower() not in {"host", "connection", "content-length", "transfer-encoding"}
    ]
    passed += [
        ("Host", domain),
        ("X-Amzn-Trace-Id", f"Root=1-{int(now.timestamp()):08x}-{uuid.uuid4().hex[:24]}"),
        ("X-Forwarded-For", source_ip),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]
    query = parse_qsl(parts.query, keep_blank_values=True)
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    binary = content_type.partition(";")[0].strip() in api.binary_types
    return {
        "resource": route.resource,
        "path": path,
        "httpMethod": method,
        "headers": dict(passed),
        "multiValueHeaders": _several(passed),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _several(query) or None,
        "pathParameters": captured or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": hashlib.sha256(route.resource.encode()).hexdigest()[:6],
            "resourcePath": route.resource,
            "httpMethod": method,
            "extendedRequestId": base64.b64encode(uuid.uuid4().bytes).decode()[:16],
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "path": parts.path,
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": api.stage,
            "domainPrefix": API_ID,
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "requestId": str(uuid.uuid4()),
            "identity": {
                **dict.fromkeys(
                    (
                        *(
                            "cognitoIdentityPoolId",
                            "accountId",
                            "cognitoIdentityId",
                            "caller",
                            "principalOrgId",
                            "accessKey",
                        ),
                        *("cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "user"),
                    )
                ),
                "sourceIp": source_ip,
                "userAgent": next((value for name, value in headers if name.lower() == "user-agent"), None),
            },
            "domainName": domain,
            "deploymentId": "d1e2f3",
            "apiId": API_ID,
        },
        "body": (base64.b64encode(body).decode() if binary else body.decode("utf-8", "replace"))
        if body
        else None,
        "isBase64Encoded": binary and bool(body),
    }


def answer_of(api: Api, payload: bytes, accept: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Read a function's answer as API Gateway does; what has not the shape it wants is 502."""
    try:
        answer = json.loads(payload)
        status = int(answer["statusCode"])
        body = answer.get("body") or ""
        single, several = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
        content = body.encode()
        if (
            answer.get("isBase64Encoded")
            and accept.partition(",")[0].partition(";")[0].strip() in api.binary_types
        ):
            content = base64.b64decode(body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return refusal(502, "Internal server error")
    pairs = [(name, str(value)) for name, value in single.items()]
    pairs += [(name, str(value)) for name, values in several.items() for value in values]
    headers = [
        (f"x-amzn-Remapped-{name}" if name.lower() in _RENAMED else name, value)
        for name, value in pairs
        if name.lower() not in _NOT_PASSED
    ]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return status, headers, content


def refusal(status: int, message: str, kind: str | None = None) -> tuple[int, list[tuple[str, str]], bytes]:
    """Write one of API Gateway's own answers."""
    named = [("x-amzn-ErrorType", kind)] if kind else []
    return status, [("Content-Type", "application/json"), *named], json.dumps({"message": message}).encode()


def scheduled_event(rule: str, detail: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write what EventBridge sends each time a rule's schedule fires."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}"],
        "detail": dict(detail or {}),
    }


def sqs_event(queue_arn: str, messages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Write what the event source mapping makes of received messages."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": dict(message.get("Attributes", {})),
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def _several(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
