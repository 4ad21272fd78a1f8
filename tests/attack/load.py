"""More than is served: heads and bodies that are too large, and clients that are slow on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from tests.attack.judge import Attempt, Kind, refused
from tests.attack.target import Target, resident_megabytes
from tests.attack.wire import parse, request

KB, MB = 1 << 10, 1 << 20
GROWTH_MB = 100.0  # of the server's memory
SLOW = 10  # connections of each sort
SLOW_SECONDS = 45.0  # a head has 15 seconds, a body 30
HEALTH_SECONDS = 2.0


def sizes(target: Target, lengths: tuple[int, ...] = (64 * KB, MB, 8 * MB)) -> Iterator[Attempt]:
    """Yield heads and bodies beyond every limit, from a caller who may."""
    host, token = target.host, target.tokens["admin"]
    path, kind = "/jobs/hello/trigger", "Content-Type: application/json"
    for size in lengths:
        yield Attempt(
            f"a header of {size} bytes", request("GET", "/jobs", f"X-A: {'a' * size}", host=host, token=token)
        )
        yield Attempt(f"a path of {size} bytes", request("GET", "/" + "a" * size, host=host, token=token))
        yield Attempt(
            f"a query of {size} bytes", request("GET", "/jobs?a=" + "a" * size, host=host, token=token)
        )
        yield Attempt(f"a method of {size} bytes", request("A" * size, "/jobs", host=host, token=token))
        many = [f"X-{number}: a" for number in range(size // 10)]
        yield Attempt(f"{len(many)} headers", request("GET", "/jobs", *many, host=host, token=token))
        yield Attempt(
            f"a head without an end, {size} bytes", b"GET /jobs HTTP/1.1\r\n" + b"X-A: b\r\n" * (size // 8)
        )
        body = b'{"reason": "' + b"a" * size + b'"}'
        yield Attempt(
            f"a body of {size} bytes", request("POST", path, kind, host=host, token=token, body=body)
        )
        chunks = b"1000\r\n" + b"a" * 4096 + b"\r\n"
        head = request("POST", path, kind, "Transfer-Encoding: chunked", host=host, token=token)
        yield Attempt(f"chunks of {size} bytes", head + chunks * (size // 4096) + b"0\r\n\r\n")
    for length in (10**7, 10**10, 10**15):
        declared = request("POST", path, kind, f"Content-Length: {length}", host=host, token=token)
        yield Attempt(f"a declared body of {length} bytes", declared + b"{")
    for name, text in {
        "nested lists": "[" * 30000,
        "nested objects": '{"a":' * 10000 + "1" + "}" * 10000,
        "params nested": '{"params":{"a":' + "[" * 20000 + "]" * 20000 + "}}",
        "a long number": '{"force":' + "9" * 60000 + "}",
        "infinity": '{"params":{"a":1e9999}}',
        "NaN": '{"params":{"a":NaN}}',
        "no UTF-8": '{"reason":"\udcff"}',
        "a surrogate": '{"reason":"\\ud800"}',
        "NUL": '{"reason":"\\u0000"}',
        "a long reason": '{"reason":"' + "a" * 60000 + '"}',
        "a list": "[]",
        "a word": "hello",
        "twice an object": "{}{}",
        "an unknown member": '{"admin":true}',
    }.items():
        raw = text.encode("utf-8", "surrogateescape")
        yield Attempt(f"JSON: {name}", request("POST", path, kind, host=host, token=token, body=raw))
    for query in ("limit=99999999999999999999", "limit=-1", "after=%00", "since=9999-99-99", "state=%27"):
        yield Attempt(f"GET /runs?{query}", request("GET", f"/runs?{query}", host=host, token=token), refused)


def memory(target: Target, kind: Kind, before: float) -> None:
    """Note whether the server has grown by what was sent."""
    assert target.served is not None
    grown = resident_megabytes(target.served.process.pid) - before
    kind.note("the server's memory", f"it grew by {grown:.0f} MB" if grown > GROWTH_MB else None)


class SlowClients:
    """Connections that send a byte a second, from now until the server has had enough of them."""

    def __init__(self, target: Target) -> None:
        body = request(
            "POST",
            "/jobs/hello/trigger",
            "Content-Length: 60000",
            host=target.host,
            token=target.tokens["admin"],
            close=False,
        )
        starts = {
            "a slow head": b"GET /jobs HTTP/1.1\r\nX-A: ",
            "a slow body": body,
            "a slow first line": b"G",
        }
        self._open = {}
        for name, begun in starts.items():
            for number in range(SLOW):
                self._open[f"{name}, {number}"] = connection = target.aim.connect()
                connection.sendall(begun)
                connection.setblocking(False)
        self._ended_as: dict[str, str | None] = {}
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._thread.start()

    def judge(self, kind: Kind) -> None:
        """Wait until all have ended or had their time, and note each."""
        self._thread.join()
        for name, why in self._ended_as.items():
            kind.note(name, why)

    def _drip(self) -> None:
        end = time.monotonic() + SLOW_SECONDS
        while self._open and time.monotonic() < end:
            for name, connection in list(self._open.items()):
                if (why := self._ended(connection)) is not None:
                    self._ended_as[name] = why or None
                    connection.close()
                    del self._open[name]
            time.sleep(1.0)
        for name, connection in self._open.items():
            self._ended_as[name] = f"it was still open after {SLOW_SECONDS:.0f} seconds"
            connection.close()

    @staticmethod
    def _ended(connection: socket.socket) -> str | None:
        """Send a byte; return None while the connection lives, else how it got through ("" if it did not)."""
        received = b""
        try:
            with contextlib.suppress(BlockingIOError):
                received = connection.recv(1 << 16)
                return "" if not received else (refused(parse(received)) or "")
            connection.send(b"a")
        except ConnectionError:
            return ""
        return None


def served_others(target: Target, kind: Kind) -> None:
    """Note whether somebody else is served at once."""
    began = time.monotonic()
    answers = target.aim.send(request("GET", "/health", host=target.host))
    took = time.monotonic() - began
    if not answers or answers[0].status != 200:
        why: str | None = f"/health answered {answers[0].status if answers else 'nothing'}"
    else:
        why = f"/health took {took:.1f} seconds" if took > HEALTH_SECONDS else None
    kind.note("others are served", why)
