"""The connections of the API's server: how long each may wait, and who makes room when there are many.

A request has a deadline for its whole head and one for its whole body, counted from their first byte, so that
a client that sends a byte now and then holds nothing for long; it gets 408. A connection that waits for a
request, or for its client to take a response, is closed after a while.

When more than `CONNECTIONS` are open, the address that holds most of them loses the one that has waited
longest. So no address keeps the others out, a health check from this machine among them, and a client whose
requests come at once does not notice. Requests that are being served are never cut off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from chalicelib import logs
from chalicelib.api.client_network import client_network
from chalicelib.clock import Clock

from .gateway import GatewayResponse, problem_response
from .request_head import RequestError, RequestParser

log = logs.get(__name__)

CONNECTIONS = 500  # a process may often have 1024 files open, and jobs need some of them
HEAD_SECONDS = 15
BODY_SECONDS = 30
IDLE_SECONDS = 60  # for the next request
TAKE_SECONDS = 300  # for the client to take a response
LOOK_SECONDS = 1.0  # between looks for connections that are overdue
REPORT_SECONDS = 60.0  # between warnings

# waitress's own sentences name its parts, and some repeat what was sent.
_MALFORMED = "This is not valid HTTP: the request line, a header or a chunk of the body is malformed."
_SENTENCES = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The head of the request is too long. Send shorter headers.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Sauron failed on this request. Its log has the reason.",
    HTTPStatus.NOT_IMPLEMENTED: "Of transfer encodings only chunked is read. Send that, or Content-Length.",
}


class ProblemTask(ErrorTask):
    """Sends the server's own refusals (too long, too slow, not HTTP) as problem+json."""

    def execute(self) -> None:
        """Write the response and close the connection after it."""
        error: Any = self.request.error  # type: ignore[attr-defined] # missing in waitress's stubs
        detail = error.body if isinstance(error, RequestError) else _SENTENCES.get(error.code, _MALFORMED)
        response: GatewayResponse = problem_response(error.code, detail)
        self.status = f"{error.code} {HTTPStatus(error.code).phrase}"
        self.response_headers = [*self.response_headers, *response.headers]
        self.set_close_on_finish()
        self.content_length = response.length
        if getattr(self.request, "command", "") != "HEAD":
            self.write(response.body)


class Channel(HTTPChannel):
    """One connection, which knows since when it has been waiting for the same thing."""

    error_task_class = ProblemTask
    parser_class = RequestParser

    def __init__(self, *given: Any, clock: Clock, **named: Any) -> None:
        """Begin to wait for a request."""
        self._clock = clock
        self._served = 0
        self._stage: tuple[object, ...] = ()
        super().__init__(*given, **named)
        self.network = client_network(str(self.addr[0]))
        self.observe()

    def observe(self) -> None:
        """Note the time if what the connection waits for has changed."""
        finished = self.request is not None and self.request.headers_finished
        stage = (self._served, self.request, finished, bool(self.total_outbufs_len))
        if stage != self._stage:
            self._stage = stage
            self.since = self._clock.monotonic()

    @property
    def waiting(self) -> bool:
        """Whether Sauron owes nothing: it is the client's turn."""
        return not self.requests

    def received(self, data: bytes) -> bool:
        """Take bytes of the client."""
        taken = super().received(data)
        self.observe()
        return taken

    def service(self) -> None:
        """Serve one request."""
        self._served += 1  # first: once the request is gone, a look is to see that one was served
        super().service()
        self.observe()

    def end_if_overdue(self) -> None:
        """Close the connection if its client has had its time; a request that has begun gets 408."""
        self.observe()
        if not self.waiting:
            return
        waited = self._clock.monotonic() - self.since
        if self.total_outbufs_len or self.request is None:
            if waited > (TAKE_SECONDS if self.total_outbufs_len else IDLE_SECONDS):
                self.handle_close()
        elif self.request.headers_finished:
            if waited > BODY_SECONDS:
                self._refuse(f"The body did not arrive within {BODY_SECONDS} seconds. Send it at once.")
        elif waited > HEAD_SECONDS:
            self._refuse(f"The head did not arrive within {HEAD_SECONDS} seconds. Send it at once.")

    def _refuse(self, why: str) -> None:
        with self.requests_lock:  # type: ignore[attr-defined] # missing in waitress's stubs
            late: Any = self.request
            self.request = None
            self.close_when_flushed = True  # reads nothing from now on
        late.error = RequestError(HTTPStatus.REQUEST_TIMEOUT, why)
        self.error_task_class(self, late).service()
        late.close()


class ConnectionLimits:
    """Keeps the connections of one server within their number and time; called by the server's own thread."""

    def __init__(self, channels: Mapping[int, Channel], clock: Clock, limit: int) -> None:
        """Watch `channels`, which the server keeps up to date."""
        self._channels = channels
        self._clock = clock
        self._limit = limit
        self._next_look = 0.0
        self._displaced: Counter[str] = Counter()
        self._next_report = 0.0

    def apply(self) -> None:
        """Make room if there are too many; once a second end those that are overdue."""
        while len(self._channels) > self._limit and self._displace_one():
            pass
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        for channel in list(self._channels.values()):
            channel.end_if_overdue()
        if self._displaced and now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            address, count = self._displaced.most_common(1)[0]
            log.warning(
                "connections.displaced", count=self._displaced.total(), most_from=address, of_it=count
            )
            self._displaced.clear()

    def _displace_one(self) -> bool:
        """Close the connection that has waited longest, of the address that holds most; False: none waits."""
        held = Counter(channel.network for channel in self._channels.values())
        waiting = [channel for channel in self._channels.values() if channel.waiting]
        if not waiting:
            return False
        longest = min(waiting, key=lambda channel: (-held[channel.network], channel.since))
        self._displaced[longest.network] += 1
        longest.handle_close()
        return True
