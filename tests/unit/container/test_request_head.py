"""What the real server refuses by the head of a request alone."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice
from waitress.adjustments import Adjustments

from chalicelib.api.content import BODY_BYTES
from sauron.gateway import Gateway
from sauron.http import Server
from sauron.request_head import RequestParser

POST = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Chalice(app_name="stage", configure_logs=False)

    @app.route("/text", methods=["GET"])
    def text() -> dict[str, Any]:
        return {"served": True}

    @app.route("/body", methods=["POST"])
    def body() -> dict[str, Any]:
        request: Any = app.current_request
        return {"bytes": len(request.raw_body)}

    server = Server(Gateway(app), host="127.0.0.1", port=0)
    server.start()
    yield server.port
    server.stop(timedelta(seconds=5))


def ask(port: int, sent: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes and return the first final response; nothing is sent after them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(sent)
        response = http.client.HTTPResponse(raw)
        response.begin()
        return response.status, json.loads(response.read())


@pytest.mark.parametrize(
    ("head", "status", "said"),
    [
        (b"GET /text HTTP/1.1\r\nHost: x\r\n", 200, ""),
        (b"GET /text HTTP/1.1\r\nHost:\r\n", 200, ""),
        (b"GET /text HTTP/1.1\r\nHost: [::1]:80\r\n", 200, ""),
        (b"GET /text HTTP/1.1\r\nhost: [fe80::1%25eth0]:80\r\n", 200, ""),
        (b"GET /text HTTP/1.1\r\nHost: my_box.example:\r\n", 200, ""),
        (b"GET /text HTTP/1.0\r\n", 200, ""),
        (b"GET /text HTTP/1.1\r\n", 400, "no Host"),
        (b"POST /body HTTP/1.1\r\nContent-Length: 9\r\n", 400, "no Host"),
        (b"GET http://x/text HTTP/1.1\r\n", 400, "no Host"),
        (b"GET /nothing HTTP/1.1\r\n", 400, "no Host"),
        (b"GET /text HTTP/1.1\r\nHost: x\r\nHost: y\r\n", 400, "more than one Host"),
        (b"GET /text HTTP/1.1\r\nHost: x\r\nhost: x\r\n", 400, "more than one Host"),
        (b"GET /text HTTP/1.0\r\nHost: x\r\nHost:\r\n", 400, "more than one Host"),
        (b"GET /text HTTP/1.1\r\nHost: x,y\r\n", 400, "several Host"),
        (b"GET /text HTTP/1.1\r\nHost: x/y\r\n", 400, "not a host"),
        (b"GET /text HTTP/1.1\r\nHost: me@x\r\n", 400, "not a host"),
        (b"GET /text HTTP/1.1\r\nHost: x:y\r\n", 400, "not a host"),
        (b"GET /text HTTP/1.1\r\nHost: x y\r\n", 400, "not a host"),
        (b"GET /text HTTP/3.0\r\nHost: x\r\n", 505, "HTTP/1.1"),
        (b"GET /text HTTP/2.0\r\nHost: x\r\n", 505, "HTTP/1.1"),
        (b"GET /text HTTP/0.9\r\n", 505, "HTTP/1.1"),
        (b"POST /body HTTP/1.2\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 505, "HTTP/1.1"),
        (b"GET /text\r\n", 400, "version"),
        (b"POST /body HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 400, "Transfer-Encoding"),
    ],
)
def test_a_head_is_checked_before_anything_is_done(port: int, head: bytes, status: int, said: str) -> None:
    answer, body = ask(port, head + b"Connection: close\r\n\r\n")
    assert answer == status
    assert said in body.get("detail", "")


@pytest.mark.parametrize(
    "head",
    [
        b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n",
        b"HEAD /body HTTP/1.1\r\nHost: x\r\n",
        b"HEAD //text HTTP/1.1\r\nHost: x\r\n",
        b"HEAD /text HTTP/1.1\r\nHost: x y\r\n",
        b"HEAD /text HTTP/3.0\r\nHost: x\r\n",
    ],
)
def test_a_refused_head_request_has_no_body(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(head + b"Connection: close\r\n\r\n")
        text = raw.makefile("rb").read()
    assert int(text.split()[1]) >= 400
    assert b"Content-Length: " in text
    assert text.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("size", [BODY_BYTES + 1, 9 << 20])
def test_a_body_that_is_too_long_is_refused_before_it_is_sent(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % size)
        first = raw.makefile("rb").readline()
    assert first.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_may_be_sent_is_asked_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
        assert raw.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b" " * BODY_BYTES)
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert json.loads(response.read()) == {"bytes": BODY_BYTES}


@pytest.mark.parametrize(
    ("request_", "served"),
    [
        (b"GET /text HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", {"served": True}),
        (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", {"bytes": 2}),
        (POST + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", {"bytes": 0}),
    ],
    ids=["no body", "a body that came with the head", "an empty body"],
)
def test_a_request_that_is_already_whole_is_served_and_not_asked_for_more(
    port: int, request_: bytes, served: dict[str, Any]
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(request_)
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert json.loads(response.read()) == served


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"hello hush\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /text HTTP/1.1\r\nHost: x\r\nhush\nhush: 1\r\n\r\n", 400, "bare CR or LF"),
        (b"get /hush HTTP/1.1\r\nHost: x\r\n\r\n", 400, "not valid HTTP"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nhush\r\n", 400, "not valid HTTP"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501, "only chunked is read"),
        (POST + b"Content-Length: 9999999\r\n\r\n", 413, f"{BODY_BYTES} bytes"),
        (POST + b"hush: " + b"y" * 40_000 + b"\r\n\r\n", 431, "shorter headers"),
    ],
)
def test_the_server_refuses_in_its_own_words_and_repeats_nothing(
    port: int, sent: bytes, status: int, said: str
) -> None:
    answer, body = ask(port, sent)
    assert answer == status
    assert said in body["detail"]
    assert "hush" not in body["detail"]


START = "POST /sync HTTP/1.1\r\nHost: sauron\r\nAuthorization: Bearer my-token\r\n"


def read(head: str) -> RequestParser:
    parser = RequestParser(Adjustments())
    parser.received(head.encode("latin-1") + b"\r\n")
    return parser


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Send one of them"),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "Send one of them"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "more than one Transfer-Encoding"),
        ("Transfer-Encoding: chunked, chunked\r\n", "more than one Transfer-Encoding"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "more than one Content-Length"),
        ("Host: other\r\n", "more than one Host"),
        ("Transfer-Encoding:\r\n chunked\r\n", "in a second line"),
        ("X-A: b\r\n\tc\r\n", "in a second line"),
        ("X-A: b\nX-B: my-token\r\n", "bare CR or LF"),
        ("X-A: b\rX-B: my-token\r\n", "bare CR or LF"),
        ("X-A : my-token\r\n", "Invalid header"),
    ],
)
def test_a_head_with_two_readings_is_refused_and_not_repeated(lines: str, told: str) -> None:
    error = read(START + lines).error
    assert error is not None
    assert error.code == 400
    assert told in error.body
    assert "my-token" not in error.body


def test_chunks_in_http_1_0_are_refused() -> None:
    error = read("POST /sync HTTP/1.0\r\nTransfer-Encoding: chunked\r\n").error
    assert error is not None
    assert "HTTP/1.0 has no Transfer-Encoding" in error.body


@pytest.mark.parametrize(
    "lines", ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Accept: a\r\nAccept: b\r\n"]
)
def test_a_head_with_one_reading_is_read(lines: str) -> None:
    parser = read(START + lines)
    assert parser.error is None
    assert parser.headers["AUTHORIZATION"] == "Bearer my-token"
