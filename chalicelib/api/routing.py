"""Declaring routes, and what a view is told about the request it answers.

The request travels in a context variable that the gate sets: Chalice keeps the current request in one
attribute of the application, where requests of other threads overwrite it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from chalice.app import Blueprint, Request, Response
from sqlalchemy.exc import DBAPIError

from chalicelib import logs
from chalicelib.errors import SauronError
from chalicelib.wiring import PROCESS, Sauron

from . import problems
from .auth import Caller

log = logs.get(__name__)

View = Callable[..., Any]

# What a POST may say about its body. A body that is not JSON is refused by `bodies`, an empty one may call
# itself anything.
POSTED = ["application/json", "application/x-www-form-urlencoded", "text/plain"]

# bytes of one page of an answer as Lambda sends it, which takes 6 MB; who asks reads on from its `after`
AT_MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One request: as Chalice read it, and who sent it."""

    request: Request
    caller: Caller

    @property
    def sauron(self) -> Sauron:
        """The process's Sauron, built when it is first asked for."""
        return PROCESS.get()

    @property
    def by(self) -> str | None:
        """The name to record with what this call does."""
        return self.caller.name

    @property
    def mount(self) -> str:
        """The path in front of our own."""
        return mount(self.request)


def mount(request: Request) -> str:
    """Return the path in front of our own: empty in the container, `/<stage>` behind API Gateway."""
    path = [part for part in str(request.context.get("path") or "").split("/") if part]
    own = [part for part in str(request.path).split("/") if part]
    return "".join(f"/{part}" for part in path[: len(path) - len(own)])


_current: ContextVar[Call] = ContextVar("call")


def current_request() -> Call:
    """Return the call that is being answered."""
    return _current.get()


def answering(call: Call, view: Callable[[], Response]) -> Response:
    """Run `view` as the answer to this call."""
    token = _current.set(call)
    try:
        return view()
    finally:
        _current.reset(token)


def get(blueprint: Blueprint, path: str) -> Callable[[View], View]:
    """Declare a view for GET and HEAD."""
    return _route(blueprint, path, methods=["GET", "HEAD"])


def post(blueprint: Blueprint, path: str) -> Callable[[View], View]:
    """Declare a view for POST."""
    return _route(blueprint, path, methods=["POST"], content_types=POSTED)


def _route(blueprint: Blueprint, path: str, **options: Any) -> Callable[[View], View]:
    def declare(view: View) -> View:
        @functools.wraps(view)
        def answer(**captured: str) -> Response:
            named = {name: unquote(value) for name, value in captured.items()}
            if any("\0" in value for value in named.values()):  # PostgreSQL could not even be asked
                return problems.response(
                    404, "A name in the path holds a NUL, so there is nothing of that name."
                )
            try:
                found = view(**named)
            except SauronError as error:
                return problems.of(error)
            except DBAPIError:
                log.exception("request.failed", path=path)
                return problems.response(
                    503, "The store cannot be used right now. Try again; Sauron's log has the reason."
                )
            return found if isinstance(found, Response) else as_json(found)

        blueprint.route(path, **options)(answer)
        return answer

    return declare


def sent_bytes(text: str) -> int:
    """Return how many bytes a piece of a body is in what Lambda sends: there a body is a string of JSON, all of it ASCII."""
    return len(json.dumps(text)) - 2


def as_json(value: Any, status: int = 200) -> Response:
    """Return a value as JSON. What JSON cannot say (NaN, infinity) becomes null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=str)
    return Response(body=text, headers={"Content-Type": "application/json"}, status_code=status)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
