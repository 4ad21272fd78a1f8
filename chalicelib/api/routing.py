"""Declare routes, and give each handler the request that it answers.

The current request travels in a context variable that the middleware sets: Chalice keeps it in one attribute
of the application, where requests of other threads overwrite it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from chalice.app import Blueprint, Request, Response
from sqlalchemy.exc import DBAPIError

from chalicelib import logs
from chalicelib.errors import DamagedStoreError, SauronError
from chalicelib.wiring import PROCESS, Sauron

from . import problems
from .auth import Caller

log = logs.get(__name__)

Handler = Callable[..., Any]

# Chalice judges a content type even where there is no content; `content` does it better.
ANY_TYPE = ["*/*"]


@dataclass(frozen=True, slots=True)
class CurrentRequest:
    """One request: as Chalice read it, and who sent it."""

    request: Request
    caller: Caller

    @property
    def sauron(self) -> Sauron:
        """The process's Sauron, built on first use."""
        return PROCESS.get()

    @property
    def by(self) -> str | None:
        """The name to record with what this request does."""
        return self.caller.name

    @property
    def mount(self) -> str:
        """The path in front of the application's own paths."""
        return mount(self.request)


def mount(request: Request) -> str:
    """Return the path in front of our own, for links, forms and redirects.

    Behind API Gateway the request names it: `/<stage>`. A proxy in front of the container removes it, so
    there it is the path of SAURON_PUBLIC_URL.
    """
    path = [part for part in str(request.context.get("path") or "").split("/") if part]
    own = [part for part in str(request.path).split("/") if part]
    if before := path[: len(path) - len(own)]:
        return "".join(f"/{part}" for part in before)
    settings = PROCESS.settings()
    return "" if settings.function else settings.public_path


_current: ContextVar[CurrentRequest] = ContextVar("current_request")


def current_request() -> CurrentRequest:
    """Return the request that this thread is handling."""
    return _current.get()


@contextmanager
def handled_as(current: CurrentRequest) -> Iterator[None]:
    """Make this the current request for as long as the block lasts."""
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)


def get(blueprint: Blueprint, path: str, *, damaged_too: bool = False) -> Callable[[Handler], Handler]:
    """Declare a handler for GET and HEAD. With `damaged_too` it is asked although the store is damaged."""
    return _route(blueprint, path, damaged_too=damaged_too, methods=["GET", "HEAD"], content_types=ANY_TYPE)


def post(blueprint: Blueprint, path: str) -> Callable[[Handler], Handler]:
    """Declare a handler for POST."""
    return _route(blueprint, path, methods=["POST"], content_types=ANY_TYPE)


def known_damage() -> DamagedStoreError | None:
    """Return what is known to be damaged in this process's store: nothing that is read from it holds then."""
    sauron = PROCESS.built
    return sauron.store.damage if sauron else None


def _route(
    blueprint: Blueprint, path: str, *, damaged_too: bool = False, **options: Any
) -> Callable[[Handler], Handler]:
    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def respond(**captured: str) -> Response:
            names = {name: unquote(value) for name, value in captured.items()}
            if any("\0" in value for value in names.values()):  # PostgreSQL refuses NUL in a parameter
                return problems.response(404, "A name in the path holds a NUL character. No name does.")
            if not damaged_too and (damage := known_damage()):
                return problems.response_to(damage)
            try:
                value = handler(**names)
            except SauronError as error:
                return problems.response_to(error)
            except DBAPIError:
                if damage := known_damage():
                    return problems.response_to(damage)
                log.exception("request.failed", path=path)
                return problems.response(
                    503, "The store cannot be used right now. Try again; Sauron's log has the reason."
                )
            return value if isinstance(value, Response) else as_json(value)

        blueprint.route(path, **options)(respond)
        return respond

    return declare


def as_json(value: Any, status: int = 200) -> Response:
    """Return a value as a JSON response. NaN and infinity, which JSON does not know, become null."""
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
