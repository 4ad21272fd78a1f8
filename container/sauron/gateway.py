"""Turn HTTP requests into calls of Chalice's routes, for the server and for the local command line.

This module stands in for API Gateway, with what Chalice's own `LocalGateway` lacks: concurrent requests do
not see each other, the target is read once and as it was sent, the caller's address is passed on, HEAD is GET
without a body, OPTIONS lists the methods, an unknown path is 404 and echoes nothing, every error is
problem+json (a page for a browser), and every response has the security headers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Chalice, Request
from chalice.local import LambdaContext, LocalChalice

from chalicelib.api.auth import NOBODY, Caller, identify, is_page
from chalicelib.api.content import most_bytes
from chalicelib.api.page_addresses import public_path
from chalicelib.api.problem_page import problem_page
from chalicelib.api.problems import problem
from chalicelib.api.response_headers import missing_headers
from chalicelib.errors import SauronError
from chalicelib.wiring import PROCESS

from .request_target import RequestTarget, TargetError, read_target

MEMORY_MB = 128  # what the app is told that it has; nothing looks at it
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
)


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A complete response. `headers` has no Content-Length; `length` is the length of GET's body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    length: int


class Gateway:
    """Calls the routes of one Chalice app, from any number of threads."""

    def __init__(self, app: Chalice) -> None:
        """Make the app hold one current request per thread."""
        self._app = _concurrent(app)
        self._routes: Mapping[str, Mapping[str, Any]] = app.routes
        self._in_order = sorted(app.routes)

    def handle(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        source_ip: str = "127.0.0.1",
    ) -> GatewayResponse:
        """Return the response to a request. `target` is the raw path and query of the request line."""
        response = self._respond(method, target, headers, body, source_ip)
        return replace(response, body=b"") if method == "HEAD" else response

    def _respond(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, source_ip: str
    ) -> GatewayResponse:
        sent = {name.lower(): value for name, value in headers.items()}
        try:
            asked = read_target(method, target)
        except TargetError as error:
            return problem_response(error.status, str(error))
        if len(body) > (most := most_bytes(asked.path)):
            return problem_response(413, f"The body is longer than {most} bytes. Send less.")
        if asked.authority is not None:
            sent["host"] = asked.authority  # it overrides the header (RFC 9112, section 3.2.2)
        found = self._match(asked)
        if found is None:
            return _refused(sent, source_ip, 404, "There is nothing at this path.")
        route, captured = found
        methods = self._routes[route]
        effective = "GET" if method == "HEAD" and "GET" in methods else method
        allowed = ", ".join(sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}))
        if effective not in methods:
            if method == "OPTIONS":
                return _complete(204, [("Allow", allowed)], b"")
            asks = sent if is_page(route) else {}
            return _refused(asks, source_ip, 405, f"This path answers {allowed}.", allow=allowed)
        event = _event(effective, route, asked.path, sent, source_ip)
        event |= {
            "pathParameters": captured,
            "multiValueQueryStringParameters": asked.query or None,
            "body": body,
        }
        called = self._app(event, LambdaContext(self._app.app_name, MEMORY_MB))
        return _response(called)

    def _match(self, target: RequestTarget) -> tuple[str, dict[str, str]] | None:
        """Return the route of a target, and its parameters; a route without parameters goes first."""
        for route in self._in_order:
            if (captured := target.captured(route)) is not None:
                return route, captured
        return None


def problem_response(status: int, detail: str, **headers: str) -> GatewayResponse:
    """Return the problem+json response to a request that reached no route."""
    known, body = problem(status, detail)
    content = body.encode() if isinstance(body, str) else body
    named = [(name.title(), value) for name, value in headers.items()]
    return _complete(status, _flat(known, named), content)


def _refused(
    sent: Mapping[str, str], source_ip: str, status: int, detail: str, **headers: str
) -> GatewayResponse:
    """Return a refusal in the form that its sender reads: a page for a browser that asks for one.

    The page has the links that its reader may follow.
    """
    response = problem_response(status, detail, **headers)
    if "text/html" not in sent.get("accept", ""):
        return response
    caller = _reader(sent, source_ip)
    text, known = problem_page(json.loads(response.body), mount=public_path(), caller=caller)
    named = [(name.title(), value) for name, value in headers.items()]
    return _complete(status, _flat(known, named), text.encode())


def _event(method: str, route: str, path: str, sent: Mapping[str, str], source_ip: str) -> dict[str, Any]:
    """Return the event of API Gateway for a request without parameters, query and body."""
    return {
        "requestContext": {
            "httpMethod": method,
            "resourcePath": route,
            "identity": {"sourceIp": source_ip},
            "path": path,
        },
        "headers": dict(sent),
        "pathParameters": {},
        "stageVariables": {},
        "multiValueQueryStringParameters": None,
        "body": b"",
    }


def _reader(sent: Mapping[str, str], source_ip: str) -> Caller:
    """Return who asks for a page that does not exist, as if it were the overview; NOBODY if unknown."""
    try:
        return identify(Request(_event("GET", "/", "/", sent, source_ip)), PROCESS.settings())
    except SauronError:
        return NOBODY


def _response(response: Mapping[str, Any]) -> GatewayResponse:
    body = response["body"] or b""
    content = base64.b64decode(body) if response.get("isBase64Encoded") else body
    if isinstance(content, str):
        content = content.encode()
    several = [(name, value) for name, values in response["multiValueHeaders"].items() for value in values]
    headers = list(_flat(response["headers"], several))
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return _complete(response["statusCode"], headers, content)


def _complete(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> GatewayResponse:
    """Return a response with the headers that every response has, whoever made it."""
    own = list(headers)
    missing = missing_headers(name for name, _ in own)
    return GatewayResponse(status, (*own, *missing.items()), body, len(body))


def _flat(single: Mapping[str, Any], several: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in (*single.items(), *several):
        if name.lower() not in _HOP_BY_HOP:
            yield name, str(value)


def _concurrent(app: Chalice) -> Chalice:
    """Give an app one current request per thread, as `chalice local` does.

    With one for all threads, concurrent requests would see each other's parameters.
    """
    if not isinstance(app, LocalChalice):
        app.__class__ = type("ConcurrentChalice", (LocalChalice, app.__class__), {})
    return app
