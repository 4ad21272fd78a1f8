"""A small TCP proxy in front of PostgreSQL: a network that tests cut, freeze and make lose replies."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, and nothing that is under way arrives
COMMIT = b"COMMIT\0"


@dataclass
class Pair:
    """One connection: the runner's end, the server's end, and what was said on it."""

    client: socket.socket
    server: socket.socket
    unread: bytes = b""  # of what the runner sent: less than a message
    started: bool = False  # the startup message has no type and comes first
    statements: dict[bytes, bytes] = field(default_factory=dict)  # prepared: name to text
    transaction: list[bytes] = field(default_factory=list)  # statements since the last COMMIT
    begun: bool = False
    robbed: bool = False  # the server's next answer is to be lost

    def other(self, end: socket.socket) -> socket.socket:
        return self.server if end is self.client else self.client

    def listen_in(self, data: bytes) -> bool:
        """Follow what the runner sends (PostgreSQL's frontend protocol); say whether a COMMIT is in it."""
        self.unread += data
        committing = False  # a COMMIT, or a Sync where no transaction was begun
        while len(self.unread) >= 5:
            header = 0 if not self.started else 1
            end = header + int.from_bytes(self.unread[header : header + 4])
            if len(self.unread) < end:
                break
            kind, body, self.unread = self.unread[:header], self.unread[header + 4 : end], self.unread[end:]
            self.started = self.started or int.from_bytes(body[:4]) == 3 << 16  # not a request for TLS
            committing |= (kind == b"Q" and body == COMMIT) or (kind == b"S" and not self.begun)
            if kind == b"Q":
                self.begun = body.startswith(b"BEGIN")
            if kind == b"P":
                name, text, _ = body.split(b"\0", 2)
                self.statements[name] = text
            elif kind == b"B":
                self.transaction.append(self.statements.get(body.split(b"\0", 2)[1], b""))
        return committing


class Proxy:
    """Forwards to PostgreSQL's socket until told otherwise."""

    def __init__(self, target: Path, database: str = "postgres") -> None:
        self._target, self._database = str(target), database
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._pairs: dict[socket.socket, Pair] = {}
        self._cut = self._frozen = self._ending = False
        self._mark: bytes | None = None
        self.robbed = 0
        self._door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._selector.register(self._door, selectors.EVENT_READ)
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return (
            f"postgresql://postgres@127.0.0.1:{self._door.getsockname()[1]}/{self._database}?sslmode=disable"
        )

    def cut(self) -> None:
        """Reset every connection, and every new one."""
        with self._lock:
            self._cut = True
            for pair in list(self._pairs.values()):
                self._reset(pair)

    def freeze(self) -> None:
        """Take connections and bytes, and let nothing through either way."""
        with self._lock:
            self._frozen = True
            for end in self._pairs:
                self._selector.unregister(end)

    def mend(self) -> None:
        """Let all through again, what was held too."""
        with self._lock:
            self._cut = False
            if self._frozen:
                self._frozen = False
                for end in self._pairs:
                    self._selector.register(end, selectors.EVENT_READ)
        self._waker.send(b"!")

    def swallow(self, mark: bytes) -> None:
        """Let the next transaction with `mark` in a statement commit, then reset it instead of replying."""
        with self._lock:
            self._mark = mark

    def close(self) -> None:
        self._ending = True
        self._waker.send(b"!")
        self._thread.join(10)
        for pair in list(self._pairs.values()):
            self._reset(pair)
        for one in (self._door, self._waker, self._woken):
            one.close()
        self._selector.close()

    def _serve(self) -> None:
        while not self._ending:
            ready = self._selector.select(1.0)
            with self._lock:
                for key, _ in ready:
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    if end is self._door:
                        self._accept()
                    elif end is self._woken:
                        end.recv(64)
                    elif end in self._pairs and not self._frozen:
                        self._forward(end, self._pairs[end])

    def _accept(self) -> None:
        client, _ = self._door.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        pair = Pair(client, server)
        try:
            if self._cut:
                raise ConnectionError
            server.connect(self._target)
        except OSError:
            self._reset(pair)
            return
        for end in (client, server):
            self._pairs[end] = pair
            if not self._frozen:
                self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket, pair: Pair) -> None:
        try:
            data = end.recv(1 << 16)
            if not data or (end is pair.server and pair.robbed):
                self._reset(pair)
                return
            if end is pair.client and pair.listen_in(data):
                if self._mark is not None and any(self._mark in one for one in pair.transaction):
                    pair.robbed, self._mark, self.robbed = True, None, self.robbed + 1
                pair.transaction.clear()
            pair.other(end).sendall(data)
        except OSError:
            self._reset(pair)

    def _reset(self, pair: Pair) -> None:
        for end in (pair.client, pair.server):
            if self._pairs.pop(end, None) is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end)
            with contextlib.suppress(OSError):
                if end is pair.client:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()
