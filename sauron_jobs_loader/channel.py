"""Messages between processes: JSON objects with their length on a stream socket, and file descriptors.

Nothing is unpickled, so the worst effect of a process that writes garbage is to be ignored: the reader raises
ChannelError at the first byte that is not part of a message, and its owner stops reading. Frames are limited,
so no process's memory grows with what another sends.
"""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

FRAME_LIMIT = 1 << 20
"""Bytes in one message of a job (its result, progress or state)."""

REPLY_LIMIT = 1 << 24
"""Bytes in one message between the loader's processes (the reply of a boot holds every job of the bundle)."""

_HEADER = struct.Struct("!I")
_as_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_MOST_FDS = 4
_FD_SIZE = array.array("i").itemsize


class ChannelError(Exception):
    """The received bytes are not a message of this protocol."""


def encode(message: dict[str, Any], limit: int = FRAME_LIMIT) -> bytes:
    """Encode one message with its length.

    Raises ChannelError above `limit` bytes; TypeError or ValueError for values that JSON lacks.
    """
    body = _as_text(message).encode()
    if len(body) > limit:
        raise ChannelError(f"a message of {len(body)} bytes is over the limit of {limit}")
    return _HEADER.pack(len(body)) + body


def decode(body: bytes | bytearray) -> dict[str, Any]:
    """Decode the body of one message. Raises ChannelError for anything but one JSON object."""
    try:
        message = json.loads(body.decode())  # given bytes, json would look which encoding they are in
    except (ValueError, RecursionError) as error:
        raise ChannelError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise ChannelError("a message is not a JSON object")
    return message


class FrameReader:
    """Cuts a stream of bytes, which arrives in pieces of any size, into messages."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that `data` completes.

        Raises ChannelError, after which the reader cannot go on.
        """
        self._buffer += data
        messages = []
        while len(self._buffer) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._buffer)
            if size > self._limit:
                raise ChannelError(f"a message claims {size} bytes, the limit is {self._limit}")
            end = _HEADER.size + size
            if len(self._buffer) < end:
                break
            messages.append(decode(self._buffer[_HEADER.size : end]))
            del self._buffer[:end]
        return messages


def send(
    sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = (), limit: int = REPLY_LIMIT
) -> None:
    """Send one message with copies of `fds` attached. Raises OSError if the other end is closed."""
    data = encode(message, limit)
    if fds:
        data = data[socket.send_fds(sock, [data], list(fds)) :]
    sock.sendall(data)


def receive(sock: socket.socket, limit: int = REPLY_LIMIT) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for one message and its descriptors (close-on-exec). None if the other end is closed."""
    header, attached, _flags, _address = sock.recvmsg(
        _HEADER.size, socket.CMSG_LEN(_MOST_FDS * _FD_SIZE), socket.MSG_CMSG_CLOEXEC
    )
    fds = array.array(
        "i", b"".join(data[: len(data) // _FD_SIZE * _FD_SIZE] for *_level, data in attached)
    ).tolist()
    if not header:
        return None
    rest = _exactly(sock, _HEADER.size - len(header))
    if rest is None:
        return None
    (size,) = _HEADER.unpack(header + rest)
    if size > limit:
        raise ChannelError(f"a message claims {size} bytes, the limit is {limit}")
    body = _exactly(sock, size)
    return None if body is None else (decode(body), fds)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 16))
        if not piece:
            return None
        data += piece
    return bytes(data)
