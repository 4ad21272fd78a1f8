"""A real HTTP server on loopback that answers what a test tells it and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to give; a status of 0 closes the connection without one, -1 never answers."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Receiver:
    """The server: `answers` are given in turn, the last again and again."""

    url: str
    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receive(*answers: Answer) -> Iterator[Receiver]:
    """Serve on a free port until the block ends."""
    state = Receiver("", list(answers) or [Answer()])

    class Handler(_Handler):
        receiver = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket.settimeout(1)  # a client that has gone before it is accepted holds up nothing
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Stay silent."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.receiver.asked.append(Asked(self.command, self.path, dict(self.headers), body))
        answers = self.receiver.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.status <= 0:
            if answer.status < 0:
                self.receiver.released.wait(60)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body.encode())), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body.encode())

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - names of the base class


@contextmanager
def dripping() -> Iterator[str]:
    """Serve an answer whose head has no end: another byte of it comes every few milliseconds."""
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                client, _ = listening.accept()
                with client, contextlib.suppress(OSError):
                    client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not over.wait(0.02):
                        client.sendall(b".")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
