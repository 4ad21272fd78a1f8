"""From an HTTP request to a Chalice route and back, for the server and for a command line that asks in its own process.

Chalice's `LocalGateway` stands in for API Gateway; this adds what it lacks. Requests that run at once do not
see each other, path parameters are unquoted, the caller's address is told, HEAD is answered like GET without
its body, OPTIONS names the methods, an unknown path is 404 and echoes nothing, and every error is
problem+json.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalChalice, LocalGateway

from chalicelib.api.problems import problem

BODY_BYTES = 64 << 10  # a body may be this long, as the contract says
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, whole. `headers` holds no Content-Length; `length` is that of the body GET would send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    length: int


class Gateway:
    """Answers requests by the routes of one Chalice app, from any number of threads."""

    def __init__(self, app: Chalice) -> None:
        """Let the app hold one current request per thread."""
        self._app = _concurrent(app)

    @cached_property
    def _local(self) -> LocalGateway:
        return LocalGateway(self._app, Config())

    @property
    def _routes(self) -> Mapping[str, Mapping[str, Any]]:
        routes: Mapping[str, Mapping[str, Any]] = self._app.routes
        return routes

    def handle(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        source_ip: str = "127.0.0.1",
    ) -> Answer:
        """Return one request. `target` is the raw path with its query, as it stood in the request line."""
        if len(body) > BODY_BYTES:
            return refusal(413, f"The body is longer than {BODY_BYTES} bytes. Send less.")
        parts = urlsplit(
            target if target.startswith("/") else f"/{target.partition('://')[2].partition('/')[2]}"
        )
        path = "/" + parts.path.lstrip("/")
        try:
            match = self._local.event_converter._route_matcher.match_route(  # noqa: SLF001 - offered in no other way
                f"{path}?{parts.query}"
            )
        except ValueError:
            return refusal(404, "There is nothing at this path.")
        methods = self._routes[match.route]
        asked = "GET" if method == "HEAD" and "GET" in methods else method
        allowed = ", ".join(sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}))
        if asked not in methods:
            if method == "OPTIONS":
                return Answer(204, (("Allow", allowed),), b"", 0)
            return refusal(405, f"This path answers {allowed}.", allow=allowed)
        event = {
            "requestContext": {
                "httpMethod": asked,
                "resourcePath": match.route,
                "identity": {"sourceIp": source_ip},
                "path": path,
            },
            "headers": {name.lower(): value for name, value in headers.items()},
            "pathParameters": {name: unquote(value) for name, value in match.captured.items()},
            "stageVariables": {},
            "multiValueQueryStringParameters": match.query_params or None,
            "body": body,
        }
        answer = _answer(self._app(event, self._local._generate_lambda_context()))  # noqa: SLF001 - as above
        return Answer(answer.status, answer.headers, b"", answer.length) if method == "HEAD" else answer


def refusal(status: int, detail: str, **headers: str) -> Answer:
    """Return a request that reached no route, as problem+json."""
    known, body = problem(status, detail)
    content = body.encode() if isinstance(body, str) else body
    named = [(name.title(), value) for name, value in headers.items()]
    return Answer(status, tuple(_flat(known, named)), content, len(content))


def _answer(response: Mapping[str, Any]) -> Answer:
    body = response["body"] or b""
    content = base64.b64decode(body) if response.get("isBase64Encoded") else body
    if isinstance(content, str):
        content = content.encode()
    several = [(name, value) for name, values in response["multiValueHeaders"].items() for value in values]
    headers = tuple(_flat(response["headers"], several))
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", "application/json"))
    return Answer(response["statusCode"], headers, content, len(content))


def _flat(single: Mapping[str, Any], several: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in (*single.items(), *several):
        if name.lower() not in _HOP_BY_HOP:
            yield name, str(value)


def _concurrent(app: Chalice) -> Chalice:
    """Give an app one current request per thread, as `chalice local` does: shared, requests would see each other's."""
    if not isinstance(app, LocalChalice):
        app.__class__ = type("ConcurrentChalice", (LocalChalice, app.__class__), {})
    return app
