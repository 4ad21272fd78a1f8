"""The API's server: waitress over the gateway.

The constructor binds the address, so a port in use is an error at once and port 0 picks a free port. `stop`
closes the port, answers the requests that have arrived, within its time limit, and then closes the
connections and waitress's threads. The listening socket is closed on exec, so no job inherits it.
`ConnectionLimits` bounds how many connections there are, and how long each waits.

Limit: a body that declares more than `READ_BYTES` is refused before it is read, but a push of a git host; a
client that keeps sending may see its connection reset. Smaller bodies above 64 KiB are refused by the
gateway.
"""

from __future__ import annotations

import errno
import functools
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Protocol, cast

import waitress.server
from waitress import wasyncore

from chalicelib import logs
from chalicelib.clock import Clock, SystemClock
from chalicelib.errors import SauronError

from .connections import CONNECTIONS, TAKE_SECONDS, Channel, ConnectionLimits
from .gateway import Gateway, problem_response

log = logs.get(__name__)

READ_BYTES = 512 << 10
HEADER_BYTES = 32 << 10
THREADS = 8
SPARE = 20  # connections that waitress may accept beyond ours, until one is closed
DRAIN_POLL_SECONDS = 0.05  # between checks for open requests while stopping


class AddressError(SauronError):
    """The API cannot listen on the configured address."""

    def __init__(self, message: str, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(message)


class _StartResponse(Protocol):
    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object: ...


class Application:
    """The gateway as WSGI."""

    def __init__(self, gateway: Gateway) -> None:
        """Serve one gateway."""
        self._gateway = gateway

    def __call__(self, environ: Mapping[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        """Serve one request. An unexpected exception is a 500 without details; the log has the traceback."""
        try:
            response = self._gateway.handle(
                environ["REQUEST_METHOD"],
                environ["REQUEST_URI"],
                _headers(environ),
                environ["wsgi.input"].read(),
                source_ip=environ["REMOTE_ADDR"],
            )
        except Exception:
            log.exception("request.failed", method=environ["REQUEST_METHOD"], path=environ["PATH_INFO"])
            response = problem_response(500, "Sauron failed on this request. Its log has the reason.")
        headers = list(response.headers)
        if response.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            headers.append(("Content-Length", str(response.length)))
        start_response(_status(response.status), headers)
        return [response.body] if response.body else []


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if kind := environ.get("CONTENT_TYPE"):
        headers["content-type"] = kind
    return headers


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Unknown"


class Server:
    """One listening API. `start` once, `stop` once."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        host: str,
        port: int,
        clock: Clock | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        """Bind the address. Raises AddressError that says what to set."""
        clock = clock or SystemClock()
        self._map: dict[int, Any] = {}
        self._server = cast(
            "Any",
            waitress.server.create_server(
                Application(gateway),
                map=self._map,
                sockets=[_bound(host, port)],
                threads=THREADS,
                ident="sauron",
                asyncore_use_poll=True,
                backlog=1024,
                connection_limit=connections + SPARE,
                channel_timeout=TAKE_SECONDS,  # `ConnectionLimits` is stricter
                max_request_body_size=READ_BYTES,
                max_request_header_size=HEADER_BYTES,
                log_socket_errors=False,
            ),
        )
        self._server.channel_class = functools.partial(Channel, clock=clock)
        self._limits = ConnectionLimits(self._server.active_channels, clock, connections)
        self._stopping = threading.Event()
        self._limit = timedelta()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self.host = host
        self.port: int = self._server.socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    def start(self) -> None:
        """Serve requests from now on, in the server's own threads."""
        self._thread.start()

    def stop(self, limit: timedelta) -> None:
        """Accept no new connections, answer the requests that have arrived within `limit`, then close."""
        if not self._thread.is_alive():
            self._close()
            return
        self._limit = limit
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
            self._limits.apply()
        self._drain(time.monotonic() + self._limit.total_seconds())
        self._close()

    def _drain(self, deadline: float) -> None:
        self._server.accepting = False
        self._server.del_channel()
        self._server.socket.close()
        quiet = 0
        while quiet < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - a request may arrive between two looks
            wasyncore.loop(timeout=DRAIN_POLL_SECONDS, use_poll=True, map=self._map, count=1)
            busy = any(
                c.requests or c.request or c.total_outbufs_len
                for c in list(self._server.active_channels.values())
            )
            quiet = 0 if busy else quiet + 1

    def _close(self) -> None:
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)
        wasyncore.close_all(self._map)
        self._server.socket.close()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise AddressError(
            f"{_invalid_host(host)} ({error.strerror})",
            host=host,
            port=port,
        ) from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(1024)
    except OSError as error:
        bound.close()
        raise AddressError(_reason(error, host, port), host=host, port=port) from None
    return bound


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{host}:{port} is in use. Stop the program that listens there, "
            "or set API_PORT to another port (0 picks a free one)."
        )
    if error.errno == errno.EACCES:
        return f"This user may not open port {port}. Set API_PORT to a port above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return _invalid_host(host)
    return f"The API cannot listen on {host}:{port}: {error.strerror}."


def _invalid_host(host: str) -> str:
    return (
        f"API_HOST={host!r} is not an address of this machine. Write 127.0.0.1, or 0.0.0.0 for all addresses."
    )
