from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from chalice.app import Chalice, Response

from chalicelib.api.content import BODY_BYTES
from chalicelib.api.response_headers import SECURITY_HEADERS
from sauron.gateway import Gateway
from sauron.http import AddressError, Server
from sauron.request_head import LONG_AT_ONCE, RequestParser
from tests.facts import wait_until
from tests.loopback import NO_TLS


class Stage:
    """A small app behind a real server: what it shows is what any Chalice app gets."""

    def __init__(self) -> None:
        app = Chalice(app_name="stage", configure_logs=False)
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

        @app.route("/echo/{name}", methods=["GET"])
        def echo(name: str) -> dict[str, Any]:
            request: Any = app.current_request
            time.sleep(0.001)  # lets other requests in between
            later: Any = app.current_request
            return {
                "captured": name,
                "own": request.uri_params["name"],
                "after": later.uri_params["name"],
                "header": later.headers.get("x-mine"),
                "ip": request.context["identity"]["sourceIp"],
                "query": request.query_params.getlist("q") if request.query_params else [],
            }

        @app.route("/body", methods=["POST"], content_types=["application/json"])
        def body() -> dict[str, Any]:
            request: Any = app.current_request
            return {"bytes": len(request.raw_body)}

        @app.route("/hooks/git", methods=["POST"], content_types=["application/json"])
        def push() -> dict[str, Any]:
            request: Any = app.current_request
            return {"bytes": len(request.raw_body)}

        @app.route("/wait", methods=["GET"])
        def wait() -> dict[str, Any]:
            self.entered.release()
            self.release.wait(60)
            return {"waited": True}

        @app.route("/fault", methods=["GET"])
        def fault() -> None:
            raise ValueError("a fault of the app")

        @app.route("/text", methods=["GET"])
        def text() -> Response:
            return Response(
                "größe", headers={"Content-Type": "text/plain; charset=utf-8", "Set-Cookie": ["a=1", "b=2"]}
            )

        self.server = Server(Gateway(app), host="127.0.0.1", port=0)
        self.server.start()
        self.http = httpx.Client(base_url=self.server.url, timeout=20, trust_env=False, verify=NO_TLS)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.release.set()
    made.http.close()
    made.server.stop(timedelta(seconds=5))


@pytest.mark.slow
def test_requests_that_run_at_once_do_not_see_each_other(stage: Stage) -> None:
    def ask(number: int) -> bool:
        answer = stage.http.get(f"/echo/n{number}", headers={"x-mine": str(number)}).json()
        seen = answer["own"], answer["after"], answer["captured"], f"n{answer['header']}"
        return set(seen) == {f"n{number}"}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(160)))


def test_a_path_parameter_arrives_as_it_was_sent_and_a_quoted_slash_stays_in_it(stage: Stage) -> None:
    assert stage.http.get("/echo/a%2Fb%20c").json()["captured"] == "a%2Fb%20c"


def test_the_callers_address_and_a_repeated_query_parameter_arrive(stage: Stage) -> None:
    answer = stage.http.get("/echo/x?q=1&q=2").json()
    assert answer["ip"] == "127.0.0.1"
    assert answer["query"] == ["1", "2"]


def test_an_unknown_path_is_404_and_echoes_no_credential(stage: Stage) -> None:
    answer = stage.http.get("/nothing/here", headers={"Authorization": "Bearer hush-hush-hush"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert "hush" not in answer.text + str(answer.headers)


def test_head_answers_like_get_without_a_body(stage: Stage) -> None:
    got, head = stage.http.get("/text"), stage.http.head("/text")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"] == str(len("größe".encode()))


def test_a_wrong_method_is_405_and_allow_names_the_right_ones(stage: Stage) -> None:
    answer = stage.http.put("/echo/x")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["status"] == 405
    assert stage.http.options("/body").headers["allow"] == "OPTIONS, POST"


def test_a_body_over_64_kb_is_413_and_one_of_64_kb_is_read(stage: Stage) -> None:
    sent = {"Content-Type": "application/json"}
    assert stage.http.post("/body", content=b"x" * BODY_BYTES, headers=sent).json() == {"bytes": BODY_BYTES}
    for size in (BODY_BYTES + 1, 5 << 20):
        answer = stage.http.post("/body", content=b"x" * size, headers=sent)
        assert answer.status_code == 413, size
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_chunked_body_over_64_kb_is_413_too(stage: Stage) -> None:
    assert stage.http.post("/body", content=iter([b"x" * 30_000] * 3)).status_code == 413


def test_the_route_of_a_push_alone_takes_25_mb(stage: Stage) -> None:
    sent = {"Content-Type": "application/json"}
    most = 25 << 20
    answer = stage.http.post("/hooks/git", content=b"x" * most, headers=sent)
    assert answer.json() == {"bytes": most}
    chunks = [b"x" * (1 << 20)] * 3
    assert stage.http.post("/hooks/git", content=iter(chunks), headers=sent).json() == {"bytes": 3 << 20}
    with socket.create_connection(("127.0.0.1", stage.server.port), timeout=10) as raw:
        head = b"POST /hooks/git?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (most + 1)
        raw.sendall(head)
        text = raw.makefile("rb").read()
    assert text.startswith(b"HTTP/1.1 413 ")
    assert b"%d bytes" % most in text
    for path in ("/hooks", "/hooks/git/more", "/hooks/gi%74", "/body?/hooks/git"):
        assert stage.http.post(path, content=b"x" * (600 << 10), headers=sent).status_code in {404, 413}, path


def test_few_long_bodies_arrive_at_once_and_the_others_come_again(stage: Stage) -> None:
    head = b"POST /hooks/git HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    long = head + b"Content-Length: 9000000\r\n\r\n" + b"x" * 1000
    with contextlib.ExitStack() as held:
        port = ("127.0.0.1", stage.server.port)
        for _ in range(LONG_AT_ONCE):
            held.enter_context(socket.create_connection(port, timeout=10)).sendall(long)
        wait_until(lambda: len(RequestParser._long) == LONG_AT_ONCE)
        with socket.create_connection(port, timeout=10) as one_more:
            one_more.sendall(long)
            assert one_more.makefile("rb").readline().startswith(b"HTTP/1.1 503 ")
        sent = {"Content-Type": "application/json"}
        assert stage.http.post("/hooks/git", content=b"{}", headers=sent).status_code == 200
    wait_until(lambda: not RequestParser._long)
    assert stage.http.post("/hooks/git", content=b"x" * 100_000, headers=sent).status_code == 200


def test_headers_without_end_are_431(stage: Stage) -> None:
    answer = stage.http.get("/text", headers={"x-long": "y" * 40_000})
    assert answer.status_code == 431
    assert answer.json()["status"] == 431


def test_what_is_not_http_is_refused_and_the_server_goes_on(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.server.port)) as raw:
        raw.sendall(b"hello?\r\n\r\n")
        raw.settimeout(10)
        assert b" 400 " in raw.recv(4096)
    assert stage.http.get("/text").text == "größe"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"hello?\r\n\r\n", 400),
        (b"GET /text HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"OPTIONS /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 204),
        (b"GET /fault HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 500),
        (b"GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ],
)
def test_what_the_server_itself_answers_has_the_security_headers_too(
    stage: Stage, request_bytes: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", stage.server.port), timeout=10) as raw:
        raw.sendall(request_bytes)
        response = http.client.HTTPResponse(raw)
        response.begin()
    assert response.status == status
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get_all(name) == [value]


def test_several_values_of_one_header_stay_several(stage: Stage) -> None:
    assert stage.http.get("/text").headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_half_sent_requests_do_not_slow_the_others(stage: Stage) -> None:
    stalled = [socket.create_connection(("127.0.0.1", stage.server.port)) for _ in range(30)]
    for raw in stalled:
        raw.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    try:
        begun = time.monotonic()
        assert stage.http.get("/text").status_code == 200
        assert time.monotonic() - begun < 2
    finally:
        for raw in stalled:
            raw.close()


@pytest.mark.slow
def test_stopping_answers_what_had_arrived_and_lets_go_of_the_port(stage: Stage) -> None:
    with ThreadPoolExecutor(20) as pool:
        # More than there are threads: some wait in the queue when the stop comes.
        asked = [
            pool.submit(httpx.get, f"{stage.server.url}/wait", timeout=20, trust_env=False) for _ in range(12)
        ]
        channels = stage.server._server.active_channels
        wait_until(lambda: sum(bool(channel.requests) for channel in list(channels.values())) == 12)
        stopping = pool.submit(stage.server.stop, timedelta(seconds=15))
        wait_until(lambda: _refused(stage.server.port))
        assert not stopping.done()
        stage.release.set()
        assert [answer.result().json() for answer in asked] == [{"waited": True}] * 12
        stopping.result(timeout=10)


def test_stopping_waits_no_longer_than_its_limit(stage: Stage) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(httpx.get, f"{stage.server.url}/wait", timeout=20, trust_env=False)
        assert stage.entered.acquire(timeout=10)
        begun = time.monotonic()
        stage.server.stop(timedelta(seconds=0.3))
        assert time.monotonic() - begun < 5
        stage.release.set()
        assert isinstance(asked.exception(timeout=10), httpx.TransportError)


def test_a_port_in_use_is_named_with_what_to_set(stage: Stage) -> None:
    with pytest.raises(AddressError, match=rf"127\.0\.0\.1:{stage.server.port} is in use.*API_PORT"):
        Server(Gateway(Chalice("other", configure_logs=False)), host="127.0.0.1", port=stage.server.port)


def test_an_address_of_another_machine_is_named_with_what_to_write() -> None:
    with pytest.raises(AddressError, match=r"API_HOST='192\.0\.2\.1'.*127\.0\.0\.1"):
        Server(Gateway(Chalice("other", configure_logs=False)), host="192.0.2.1", port=0)


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False
