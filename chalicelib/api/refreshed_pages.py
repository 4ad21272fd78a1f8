"""Pages that several browsers load again because of one change are made once.

The script of a page sends the version that `/ui/events` named with its request for the page. Who may do the
same, and asks for the same address and version within KEPT_SECONDS, gets the page that was made for the
first of them; only the key of its forms is another one, because a key counts once. A page that a person loads
is always made anew.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from chalice.app import Request, Response

from chalicelib.wiring import PROCESS

from .auth import Caller, is_page
from .page_addresses import mount

KEPT_SECONDS = 5.0  # browsers ask every four seconds
_VERSION = re.compile(r'"[0-9a-f]{32}"')

# Stands for the key of its forms in a page that is kept. Nobody is sent it, so no text of a job can hold it.
_ANY_KEY = secrets.token_urlsafe(24)


def form_key(request: Request) -> str:
    """Return the key of the forms of a page that is made for this request."""
    return secrets.token_urlsafe(12) if _version(request) is None else _ANY_KEY


@dataclass(frozen=True, slots=True)
class _Made:
    """A page as it was made, and when."""

    body: str
    headers: dict[str, str | list[str]]
    at: float

    def response(self) -> Response:
        body = self.body.replace(_ANY_KEY, secrets.token_urlsafe(12))
        return Response(body=body, headers=dict(self.headers))


class RefreshedPages:
    """The pages that were made for the script within the last seconds. Safe to share between threads."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._made: dict[Hashable, _Made] = {}
        self._making = threading.Lock()  # one at a time: pages take processor time from due runs

    def respond(self, request: Request, caller: Caller, handle: Callable[[], Response]) -> Response:
        """Return the response to a request that is permitted; `handle` makes it."""
        version = _version(request)
        if version is None:
            return handle()
        sauron = PROCESS.get()
        asked = (sauron.store, version, caller, *_address(request))
        with self._making:
            now = sauron.clock.monotonic()
            self._made = {one: made for one, made in self._made.items() if now - made.at < KEPT_SECONDS}
            if asked not in self._made:
                response = handle()
                if response.status_code != HTTPStatus.OK:
                    return response
                self._made[asked] = _Made(response.body, dict(response.headers), now)
            return self._made[asked].response()


def _version(request: Request) -> str | None:
    """Return the version of the page that the script asks for; None if it is not the script that asks."""
    if request.method != "GET" or not is_page(str(request.path)):
        return None
    sent = str(request.headers.get("x-sauron-version", ""))
    return sent if _VERSION.fullmatch(sent) else None


def _address(request: Request) -> tuple[Hashable, ...]:
    sent: Any = request.query_params or {}
    query = tuple((name, tuple(sent.getlist(name))) for name in sorted(sent))
    return mount(request), request.context.get("path"), query
