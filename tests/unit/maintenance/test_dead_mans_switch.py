from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.maintenance.dead_mans_switch import ping, stale
from tests.conftest import START
from tests.http_receiver import dripping

MINUTE = timedelta(minutes=1)
WELL: dict[str, Any] = {
    "last_tick": START - MINUTE,
    "workers_alive": True,
    "bundle_configured": True,
    "last_sync": START - MINUTE,
    "refresh_interval": 5 * MINUTE,
}


class Watcher:
    """Whoever watches the switch: answers with `status` and notes what was asked for."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket.settimeout(1)  # a client that has gone before it is accepted holds up nothing
        self.url = f"http://127.0.0.1:{self.server.server_port}/ping/hiddenpath"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def test_a_ping_asks_the_address_once_and_says_nothing(watcher: Watcher) -> None:
    assert ping(watcher.url) is None
    assert watcher.asked == ["/ping/hiddenpath"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_is_said(watcher: Watcher, status: int) -> None:
    watcher.status = status
    assert ping(watcher.url) == f"it answered {status}"
    assert len(watcher.asked) == 1


def test_nobody_there_is_said_without_the_address() -> None:
    reason = ping("http://127.0.0.1:9/ping/hiddenpath")
    assert reason
    assert "refused" in reason
    assert "hiddenpath" not in reason


def test_an_address_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reason = ping(f"http://127.0.0.1:{silent.getsockname()[1]}/hiddenpath", seconds=0.2)
    assert reason == "no answer within 0.2 s"


def test_an_address_whose_answer_never_ends_is_given_up() -> None:
    with dripping() as url:
        assert ping(f"{url}/hiddenpath", seconds=0.2) == "no answer within 0.2 s"


def test_all_is_well_while_everything_is_fresh() -> None:
    assert stale(START, **WELL) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last_tick": None}, ["tick"]),
        ({"last_tick": START - 3 * MINUTE}, []),
        ({"last_tick": START - 4 * MINUTE}, ["tick"]),
        ({"workers_alive": False}, ["workers"]),
        ({"last_sync": None}, ["sync"]),
        ({"last_sync": START - 60 * MINUTE}, []),
        ({"last_sync": START - 61 * MINUTE}, ["sync"]),
        ({"last_sync": START - 90 * MINUTE, "refresh_interval": 30 * MINUTE}, []),
        ({"last_sync": START - 91 * MINUTE, "refresh_interval": 30 * MINUTE}, ["sync"]),
        ({"last_sync": None, "refresh_interval": timedelta()}, []),
        ({"last_sync": None, "bundle_configured": False}, []),
        ({"last_tick": None, "workers_alive": False}, ["tick", "workers"]),
    ],
)
def test_what_is_not_fresh_is_named(change: dict[str, Any], said: list[str]) -> None:
    assert stale(START, **(WELL | change)) == said
