from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.app import Chalice, Response

from chalicelib.api.content import BODY_BYTES
from chalicelib.api.response_headers import SECURITY_HEADERS
from sauron.gateway import Gateway, problem_response


@pytest.fixture
def gateway() -> Gateway:
    app = Chalice(app_name="small", configure_logs=False)

    @app.route("/echo/{name}", methods=["GET"])
    def echo(name: str) -> dict[str, Any]:
        request: Any = app.current_request
        return {
            "name": name,
            "ip": request.context["identity"]["sourceIp"],
            "host": request.headers.get("host"),
        }

    @app.route("/text", methods=["GET", "POST"], content_types=["application/json"])
    def text() -> Response:
        return Response(
            "größe", headers={"Content-Type": "text/plain; charset=utf-8", "Set-Cookie": ["a=1", "b=2"]}
        )

    @app.route("/own", methods=["GET"])
    def own() -> Response:
        return Response("", headers={"cache-control": "max-age=60"})

    return Gateway(app)


def test_path_parameters_arrive_as_they_were_sent_and_with_the_callers_address(gateway: Gateway) -> None:
    response = gateway.handle("GET", "/echo/a%2Fb%20c", {}, b"", source_ip="192.0.2.7")
    assert json.loads(response.body) == {"name": "a%2Fb%20c", "ip": "192.0.2.7", "host": None}


def test_a_target_with_scheme_and_host_is_its_path(gateway: Gateway) -> None:
    assert gateway.handle("GET", "http://host:80/text", {}, b"").body == "größe".encode()


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/echo/x", "localhost"),
        ("http://evil.example:81/echo/x", "evil.example:81"),
        ("HTTP://evil.example/echo/x?y=http://localhost/", "evil.example"),
        ("http://user@evil.example/echo/x", "user@evil.example"),
        ("http://evil.example?/echo/x", None),
    ],
)
def test_the_host_of_an_absolute_target_replaces_the_header(
    gateway: Gateway, target: str, host: str | None
) -> None:
    for name in ("Host", "host"):
        response = gateway.handle("GET", target, {name: "localhost"}, b"")
        assert json.loads(response.body).get("host") == host


def test_head_is_get_without_a_body_and_with_its_length(gateway: Gateway) -> None:
    got, head = (gateway.handle(method, "/text", {}, b"") for method in ("GET", "HEAD"))
    assert (head.status, head.body, head.length) == (200, b"", got.length)
    assert head.headers == got.headers


def test_options_and_a_wrong_method_name_the_right_ones(gateway: Gateway) -> None:
    options = gateway.handle("OPTIONS", "/text", {}, b"")
    assert (options.status, dict(options.headers)["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    wrong = gateway.handle("PUT", "/text", {}, b"")
    assert (wrong.status, dict(wrong.headers)["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_an_unknown_path_is_404_and_echoes_nothing(gateway: Gateway) -> None:
    response = gateway.handle("GET", "/nothing/hush", {"Authorization": "Bearer hush"}, b"")
    assert response.status == 404
    assert b"hush" not in response.body
    assert "hush" not in str(response.headers)


def test_a_body_may_have_64_kib_and_not_a_byte_more(gateway: Gateway) -> None:
    kind = {"Content-Type": "application/json"}
    assert gateway.handle("POST", "/text", kind, b" " * BODY_BYTES).status == 200
    assert gateway.handle("POST", "/text", kind, b" " * (BODY_BYTES + 1)).status == 413


def test_several_values_of_one_header_stay_several(gateway: Gateway) -> None:
    headers = gateway.handle("GET", "/text", {}, b"").headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/text", b"", 200),
        ("HEAD", "/text", b"", 200),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/text", b"", 405),
        ("POST", "/text", b" " * (BODY_BYTES + 1), 413),
        ("OPTIONS", "/text", b"", 204),
        ("GET", "/own", b"", 200),
    ],
)
def test_every_response_has_the_security_headers_once(
    gateway: Gateway, method: str, path: str, body: bytes, status: int
) -> None:
    response = gateway.handle(method, path, {"Content-Type": "application/json"}, body)
    assert response.status == status
    sent = [(name.lower(), value) for name, value in response.headers]
    for name, value in SECURITY_HEADERS.items():
        own = {"cache-control": "max-age=60"} if path == "/own" else {}
        assert [one for one in sent if one[0] == name.lower()] == [
            (name.lower(), own.get(name.lower(), value))
        ]


def test_a_refusal_is_problem_json_with_its_length() -> None:
    response = problem_response(405, "This path answers GET.", allow="GET")
    assert json.loads(response.body)["detail"] == "This path answers GET."
    assert response.length == len(response.body)
    assert ("Allow", "GET") in response.headers


def test_a_browser_gets_a_page_where_there_is_none_and_programs_get_a_problem(gateway: Gateway) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    answer = gateway.handle("GET", "/no-such-place", browser, b"")
    assert (answer.status, dict(answer.headers)["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"<h1>Not found</h1>" in answer.body
    assert b"no-such-place" not in answer.body
    assert {name.lower() for name in SECURITY_HEADERS} <= {name.lower() for name, _ in answer.headers}
    for method, target, headers in (("GET", "/no-such-place", {}), ("PUT", "/text", browser)):
        kind = dict(gateway.handle(method, target, headers, b"").headers)["Content-Type"]
        assert kind == "application/problem+json"
