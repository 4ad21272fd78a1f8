from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice

from sauron.connections import BODY_SECONDS, HEAD_SECONDS, IDLE_SECONDS, TAKE_SECONDS
from sauron.gateway import Gateway
from sauron.http import Server
from tests.conftest import ManualClock
from tests.facts import wait_until

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"
LIMIT = 20


class Stage:
    """A server whose time is moved by hand, and raw connections to it."""

    def __init__(self, clock: ManualClock) -> None:
        app = Chalice(app_name="stage", configure_logs=False)
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

        @app.route("/health", methods=["GET"])
        def health() -> dict[str, Any]:
            return {"status": "healthy"}

        @app.route("/long", methods=["GET"])
        def long() -> dict[str, Any]:
            return {"text": "x" * (4 << 20)}

        @app.route("/wait", methods=["GET"])
        def wait() -> dict[str, Any]:
            self.entered.release()
            self.release.wait(60)
            return {"waited": True}

        @app.route("/body", methods=["POST"], content_types=["application/json"])
        def body() -> dict[str, Any]:
            request: Any = app.current_request
            return {"bytes": len(request.raw_body)}

        self.clock = clock
        self.server = Server(Gateway(app), host="127.0.0.1", port=0, clock=clock, connections=LIMIT)
        self.server.start()
        self._opened: list[socket.socket] = []

    @property
    def channels(self) -> list[Any]:
        return list(self.server._server.active_channels.values())

    def open(self, sent: bytes = b"", *, source: str = "127.0.0.1") -> socket.socket:
        """Connect, send, and wait until the server has read it."""
        raw = socket.create_connection(
            ("127.0.0.1", self.server.port), timeout=20, source_address=(source, 0)
        )
        self._opened.append(raw)
        if sent:
            raw.sendall(sent)
        return raw

    def half_open(self, sent: bytes, *, source: str = "127.0.0.1") -> socket.socket:
        raw = self.open(sent, source=source)
        ours = raw.getsockname()
        wait_until(lambda: any(c.addr == ours and c.request is not None for c in self.channels))
        return raw

    def close(self) -> None:
        self.release.set()
        for raw in self._opened:
            raw.close()
        self.server.stop(timedelta(seconds=5))


@pytest.fixture
def stage(clock: ManualClock) -> Iterator[Stage]:
    made = Stage(clock)
    yield made
    made.close()


def ask(raw: socket.socket, path: str = "/health") -> int:
    """Ask on an open connection; 0: it is closed."""
    try:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return _status(raw)
    except (OSError, http.client.HTTPException):
        return 0


def _status(raw: socket.socket) -> int:
    response = http.client.HTTPResponse(raw)
    response.begin()
    response.read()
    return response.status


def _rest(raw: socket.socket) -> bytes:
    """Read up to the end of the stream."""
    read = bytearray()
    while data := raw.recv(1 << 16):
        read += data
    return bytes(read)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (b"G", HEAD_SECONDS),
        (HEAD, HEAD_SECONDS),
        (b"\r\n\r\n" + HEAD, HEAD_SECONDS),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", BODY_SECONDS),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", BODY_SECONDS),
        (
            b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
            BODY_SECONDS,
        ),
        (
            b"POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            BODY_SECONDS,
        ),
    ],
)
def test_a_request_that_trickles_is_408_after_its_deadline_whatever_its_bytes_do(
    stage: Stage, clock: ManualClock, sent: bytes, seconds: int
) -> None:
    raw = stage.half_open(sent)
    clock.move(seconds=seconds)
    (channel,) = stage.channels
    heard = channel.last_activity
    raw.sendall(b"x")
    wait_until(lambda: channel.last_activity != heard)
    clock.move(seconds=2)
    answer = _rest(raw)
    head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    assert b" 408 " in head.split(b"\r\n")[0]
    assert f"{seconds} seconds" in json.loads(body)["detail"]
    wait_until(lambda: not stage.channels)


def test_the_deadline_of_the_head_does_not_count_for_the_body(stage: Stage, clock: ManualClock) -> None:
    raw = stage.half_open(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    clock.move(seconds=HEAD_SECONDS - 1)
    raw.sendall(b"Content-Length: 3\r\n\r\n1")
    wait_until(lambda: stage.channels[0].request.headers_finished)
    clock.move(seconds=BODY_SECONDS - 1)
    raw.sendall(b"23")
    assert _status(raw) == 200


def test_blank_lines_do_not_keep_a_connection_open(stage: Stage, clock: ManualClock) -> None:
    raw = stage.open(b"\r\n\r\n")
    wait_until(lambda: stage.channels)
    clock.move(seconds=IDLE_SECONDS - 1)
    raw.sendall(b"\r\n\r\n")
    clock.move(seconds=3)
    assert _rest(raw) == b""


def test_a_connection_is_kept_between_requests_that_come_in_time(stage: Stage, clock: ManualClock) -> None:
    raw = stage.open()
    for _ in range(4):
        assert ask(raw) == 200
        wait_until(lambda: not stage.channels[0].requests)
        clock.move(seconds=IDLE_SECONDS - 5)
    assert ask(raw) == 200


def test_a_request_that_is_being_served_has_no_deadline(stage: Stage, clock: ManualClock) -> None:
    raw = stage.open(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    assert stage.entered.acquire(timeout=10)
    clock.move(seconds=3600)
    assert ask(stage.open()) == 200  # the server has looked at its connections since
    stage.release.set()
    assert _status(raw) == 200


def test_a_client_that_does_not_take_its_response_is_let_go(stage: Stage, clock: ManualClock) -> None:
    stage.open(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: any(not c.requests and c._stage[-1] for c in stage.channels))  # its time has begun
    clock.move(seconds=TAKE_SECONDS - 1)
    assert ask(stage.open()) == 200
    assert any(c.total_outbufs_len for c in stage.channels)
    clock.move(seconds=3)
    wait_until(lambda: not any(c.total_outbufs_len for c in stage.channels))


def test_half_open_requests_of_one_address_keep_nobody_out(stage: Stage) -> None:
    idle = stage.open(source="127.0.0.2")
    assert ask(idle) == 200
    for _ in range(3 * LIMIT):
        stage.open(HEAD, source="127.0.0.3")
    for source in ("127.0.0.1", "127.0.0.3", "127.0.0.4"):
        assert ask(stage.open(source=source)) == 200, source
    assert ask(idle) == 200  # nor does an address lose what it had
    wait_until(lambda: len(stage.channels) <= LIMIT)


def test_what_is_being_served_makes_no_room(stage: Stage) -> None:
    served = [stage.open(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(LIMIT)]
    wait_until(lambda: sum(bool(c.requests) for c in stage.channels) == LIMIT)
    assert ask(stage.open()) == 0
    stage.release.set()
    assert [_status(raw) for raw in served] == [200] * LIMIT
