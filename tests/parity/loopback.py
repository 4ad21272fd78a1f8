"""HTTP servers on loopback that stand in for AWS: quiet, without Nagle's delay, ended at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """A server in threads of its own on a free port; whoever hangs up is not complained about."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], **attributes: Any) -> None:
        """Serve at once; `attributes` are what the handler knows."""
        super().__init__(("127.0.0.1", 0), type("Bound", (handler,), attributes))
        self.address = "{}:{}".format(*self.server_address[:2])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: a process that was killed answers no more."""

    def close(self) -> None:
        """Take no more requests."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Reads whole bodies and answers whole ones."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Stay silent."""

    def read(self) -> bytes:
        """Return the request's body."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send an answer; nothing happens if nobody takes it any more."""
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()
