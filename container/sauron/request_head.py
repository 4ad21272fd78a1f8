"""What the server refuses as soon as the head of a request is there, before any of its body is read.

HTTP/1.1 has exactly one Host (RFC 9112, section 3.2): with none or several, a proxy and Sauron could take the
request for another's. Other versions are 505. A body that is too long and waits for `100 Continue` is refused
instead of being sent for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

from .gateway import BODY_BYTES

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
    if version == "1.0" and "TRANSFER_ENCODING" in headers:
        return RequestError(400, "HTTP/1.0 has no Transfer-Encoding. Send Content-Length, or use HTTP/1.1.")
    return None


class RequestParser(HTTPRequestParser):
    """waitress's parser, which judges a head before it waits for the body."""

    _judged = False

    def received(self, data: bytes) -> int:
        """Take bytes of the client and return how many belong to this request."""
        taken = super().received(data)
        if self.headers_finished and not self.empty and not self._judged:
            self._judged = True
            self.error = self.error or self._fault()
            if self.error:
                self.completed = True
                self.expect_continue = False
        return taken

    def _fault(self) -> Error | None:
        if self.expect_continue and self.content_length > BODY_BYTES:
            return RequestError(413, f"The body is longer than {BODY_BYTES} bytes. Send less.")
        return head_fault(self.version, self.headers)
