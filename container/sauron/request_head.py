"""What the server refuses as soon as the head of a request is there, before any of its body is read.

Heads that two readers may read differently are refused: a proxy in front may take another place for the end
of such a request than Sauron does; what follows would then be a request that nobody sent (RFC 9112, section
11.2). waitress accepts some of them. No refusal repeats what was sent: it may hold a token.

HTTP/1.1 has exactly one Host (RFC 9112, section 3.2): with none or several, a proxy and Sauron could take the
request for another's. Other versions are 505. A body that is too long and waits for `100 Continue` is refused
instead of being sent for.

One route takes longer bodies, because git hosts send them: `LONG_AT_ONCE` of them at once, so that nobody
fills disk or memory.
"""

from __future__ import annotations

import copy
import re
import weakref
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import Error, RequestEntityTooLarge

from chalicelib.api.content import BODY_BYTES, most_bytes

from .request_target import TargetError, read_target

_LENGTH, _CHUNKS = b"content-length", b"transfer-encoding"
LONG_AT_ONCE = 4
_ONCE = (_LENGTH, _CHUNKS, b"host")
_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~%-]+)?\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::\d*)?"  # no comma, no @
)


class RequestError(Error):
    """A request that the server itself refuses, with a sentence for its sender."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.code = status
        self.reason = HTTPStatus(status).phrase


def head_fault(version: str, headers: Mapping[str, str]) -> RequestError | None:
    """Return what is wrong with a head; `headers` has upper-case names, and several values as `a, b`."""
    if not version:
        return RequestError(
            400, "The request line names no version of HTTP. Write for example GET /jobs HTTP/1.1."
        )
    if version not in {"1.0", "1.1"}:
        return RequestError(505, "Sauron speaks HTTP/1.1 and HTTP/1.0. Send the request as HTTP/1.1.")
    host = headers.get("HOST")
    if host is None and version == "1.1":
        return RequestError(400, "The request has no Host header. HTTP/1.1 needs one.")
    if host is not None and not _HOST.fullmatch(host):
        return RequestError(
            400, "The request has several Host headers, or one that is not a host and a port. Send one."
        )
    return None


def unclear_part(head: bytes) -> str | None:
    """Return what of the raw bytes of a head has two readings, as a sentence."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(b"\r" in line or b"\n" in line for line in (first, *lines)):
        return "A line of the head holds a bare CR or LF. End lines with CR LF."
    if any(line.startswith((b" ", b"\t")) for line in lines):
        return "A header goes on in a second line. Write it in one."
    values: dict[bytes, list[bytes]] = {}
    for name, _, value in (line.partition(b":") for line in lines):
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    for name in _ONCE:
        if len(values.get(name, ())) > 1:
            return f"There is more than one {name.decode().title()}. Send one."
    return _unclear_coding(first, values) if _CHUNKS in values else None


def _unclear_coding(first: bytes, values: Mapping[bytes, list[bytes]]) -> str | None:
    if _LENGTH in values:
        return "There are a Content-Length and a Transfer-Encoding. Send one of them."
    if b"," in values[_CHUNKS][0]:
        return "The body has more than one Transfer-Encoding. Send it as it is, or in chunks."
    if first.rstrip().endswith(b"/1.0"):
        return "HTTP/1.0 has no Transfer-Encoding. Send Content-Length, or use HTTP/1.1."
    return None


class RequestParser(HTTPRequestParser):
    """waitress's parser, which judges a head before it waits for the body."""

    _judged = False
    _unclear: str | None = None
    _most = BODY_BYTES
    _long: ClassVar[weakref.WeakSet[RequestParser]] = weakref.WeakSet()  # whose bodies may be long

    def parse_header(self, header_plus: bytes) -> None:
        """Read a head. Raises ParsingError."""
        self._unclear = unclear_part(header_plus)
        if self._unclear:
            raise ParsingError(self._unclear)
        super().parse_header(header_plus)
        parsed: Any = self  # waitress's stubs lack what it reads
        try:
            self._most = most_bytes(read_target(parsed.command, parsed.request_uri).path)
        except TargetError:
            return
        if self._most > BODY_BYTES and (self.chunked or self.content_length > BODY_BYTES):
            self._long.add(self)
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = self._most + 1

    def received(self, data: bytes) -> int:
        """Take bytes of the client and return how many belong to this request."""
        taken = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = _too_long(self._most)
        if self.headers_finished and not self.empty and not self._judged:
            self._judged = True
            unclear = RequestError(400, self._unclear) if self._unclear else None
            self.error = unclear or self.error or self._fault()
            if self.error:
                self.completed = True
        if self.completed:  # nothing more comes, and waitress would wait for it after `100 Continue`
            self.expect_continue = False
        return taken

    def _fault(self) -> Error | None:
        if self.expect_continue and self.content_length > self._most:
            return _too_long(self._most)
        if self in self._long and len(self._long) > LONG_AT_ONCE:
            return RequestError(503, "Too many long bodies are on their way. Send it again in a minute.")
        return head_fault(self.version, self.headers)


def _too_long(most: int) -> RequestError:
    return RequestError(413, f"The body is longer than {most} bytes. Send less.")
