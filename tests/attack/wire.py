"""Bytes to a server on this machine and its answers, without a library that would mend them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

QUIET_SECONDS = 0.7  # after an answer: a second one would have come by then
PATIENCE_SECONDS = 10.0


class ForeignHostError(Exception):
    """An attack was aimed at another machine."""


@dataclass(frozen=True)
class Response:
    """One answer as it came."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        """Everything that a reader of the answer sees."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode() + b"\n" + self.body


@dataclass
class Aim:
    """Where attacks go: a server on loopback. It keeps every answer, for what must be in none."""

    host: str
    port: int
    seen: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not ipaddress.ip_address(self.host).is_loopback:
            raise ForeignHostError(f"{self.host} is not a loopback address. Attack nothing but this machine.")

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_SECONDS)

    def send(self, data: bytes) -> list[Response]:
        """Send bytes on a connection of their own, and return the answers until it closes or falls silent."""
        received = b""
        with contextlib.closing(self.connect()) as connection:
            # a server that has refused may close before it has read everything
            with contextlib.suppress(ConnectionError, TimeoutError):
                connection.sendall(data)
            deadline = time.monotonic() + PATIENCE_SECONDS
            with contextlib.suppress(ConnectionError, TimeoutError):
                while time.monotonic() < deadline:
                    connection.settimeout(QUIET_SECONDS if parse(received) else PATIENCE_SECONDS)
                    more = connection.recv(1 << 16)
                    if not more:
                        break
                    received += more
        self.seen.append(received)
        return parse(received)


def parse(data: bytes) -> list[Response]:
    """Return the complete answers in a stream of bytes, and a last one that is cut off after its head."""
    found: list[Response] = []
    while data.startswith(b"HTTP/") and b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple(
            (name.strip(), value.strip()) for name, _, value in (one.partition(":") for one in lines)
        )
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        length = lengths[0] if lengths else 0
        # a HEAD has no body: what follows is the next answer, or nothing
        end = 0 if rest.startswith(b"HTTP/") else length
        found.append(Response(int(first.split()[1]), headers, rest[:end]))
        data = rest[end:]
    return found


def request(
    method: str,
    target: str,
    *headers: str | bytes,
    host: str | None,
    token: str | None = None,
    body: bytes = b"",
    close: bool = True,
) -> bytes:
    """Return a request. `headers` are lines as they are sent; a `host` of None leaves the header out."""
    lines: list[bytes] = [f"{method} {target} HTTP/1.1".encode("utf-8", "surrogateescape")]
    lines += [f"Host: {host}".encode()] if host is not None else []
    lines += [f"Authorization: Bearer {token}".encode()] if token is not None else []
    lines += [b"Connection: close"] if close else []
    lines += [f"Content-Length: {len(body)}".encode()] if body else []
    lines += _encoded(headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _encoded(headers: Iterable[str | bytes]) -> list[bytes]:
    return [one if isinstance(one, bytes) else one.encode() for one in headers]
