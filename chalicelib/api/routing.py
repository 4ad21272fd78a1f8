"""Declare routes, and give each handler the request that it answers.

A route says at its declaration what it takes and what it returns. That is what validates a request, and what
`/openapi.json` is made from. Models are named by text, because importing pydantic takes longer than the rest
of a cold start: bodies are classes in `bodies`, responses are classes in `responses`.

The current request travels in a context variable that the middleware sets: Chalice keeps it in one attribute
of the application, where requests of other threads overwrite it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from chalice.app import Blueprint, Chalice, Request, Response

from chalicelib import logs
from chalicelib.errors import DamagedStoreError, SauronError
from chalicelib.operations import acts
from chalicelib.store import refusals
from chalicelib.wiring import PROCESS, Sauron

from . import problems
from .auth import Caller, is_page
from .page_addresses import mount
from .parameters import Parameter
from .query import Query

if TYPE_CHECKING:
    from .bodies import Body

log = logs.get(__name__)

Handler = Callable[..., Any]

# Chalice judges a content type even where there is no content; `content` does it better.
ANY_TYPE = ["*/*"]


TEXT = "text/plain"
PAGE_PARAMETERS = ("tz",)  # what the address of every page may have beside its own parameters
_DECLARED = "declared_route"  # the attribute of a handler that holds its Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a route takes and returns.

    `query` holds its query parameters; None: none are looked at. `body` names a class in `bodies`.
    `returns` names a class in `responses`, or lists media types such as `text/plain`; None: a page for people
    that is not documented. `also` names the classes of other statuses; `refuses` lists the statuses of its
    own refusals, beside those that every route has. `headers` describes the headers that it reads, `sends`
    explains those that it sends. With `damaged_too` it is asked although the store is damaged.
    """

    returns: str | None = None
    query: Sequence[Parameter[Any]] | None = None
    body: str | None = None
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)
    refuses: Sequence[int] = ()
    headers: Sequence[Parameter[Any]] = ()
    sends: Mapping[str, str] = field(default_factory=dict)
    damaged_too: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A declared route: its method (GET stands for HEAD too), its path, its handler and its contract."""

    method: str
    path: str
    handler: Handler
    contract: Contract


@dataclass(frozen=True, slots=True)
class CurrentRequest:
    """One request: as Chalice read it, and who sent it."""

    request: Request
    caller: Caller
    read_query: Query | None = None

    @property
    def sauron(self) -> Sauron:
        """The process's Sauron, built on first use."""
        return PROCESS.get()

    @property
    def by(self) -> str | None:
        """The name to record with what this request does."""
        return self.caller.name

    @property
    def query(self) -> Query:
        """The query; names that the route does not declare were refused."""
        if self.read_query is None:
            raise RuntimeError(f"The route {self.request.path} declares no query parameters.")
        return self.read_query

    @property
    def mount(self) -> str:
        """The path in front of the application's own paths."""
        return mount(self.request)


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


def get(blueprint: Blueprint, path: str, **contract: Any) -> Callable[[Handler], Handler]:
    """Declare a handler for GET and HEAD with the fields of its `Contract`."""
    return _route(blueprint, "GET", path, Contract(**contract))


def post(blueprint: Blueprint, path: str, **contract: Any) -> Callable[[Handler], Handler]:
    """Declare a handler for POST with the fields of its `Contract`; a body is passed to it as `body`."""
    return _route(blueprint, "POST", path, Contract(**contract))


def declared(app: Chalice) -> list[Route]:
    """Return the routes of an application, sorted by path."""
    return [
        vars(entry.view_function)[_DECLARED]
        for _, methods in sorted(app.routes.items())
        for method, entry in sorted(methods.items())
        if method != "HEAD"
    ]


def known_damage() -> DamagedStoreError | None:
    """Return what is known to be damaged in this process's store: nothing that is read from it holds then."""
    sauron = PROCESS.built
    return sauron.store.damage if sauron else None


def _route(blueprint: Blueprint, method: str, path: str, contract: Contract) -> Callable[[Handler], Handler]:
    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def respond(**captured: str) -> Response:
            if not contract.damaged_too and (damage := known_damage()):
                return problems.response_to(damage)
            try:
                value = _call(handler, contract, _decoded(captured))
            except SauronError as error:
                return problems.response_to(error)
            except refusals.ERRORS as error:
                if damage := known_damage():
                    return problems.response_to(damage)
                log.exception("request.failed", path=path)
                acts.refuse(why := refusals.in_use(error), error=error)
                return problems.response(503, why)
            return value if isinstance(value, Response) else as_json(value)

        methods = ["GET", "HEAD"] if method == "GET" else [method]
        blueprint.route(path, methods=methods, content_types=ANY_TYPE)(respond)
        vars(respond)[_DECLARED] = Route(method, path, handler, contract)
        return respond

    return declare


def _decoded(captured: Mapping[str, str]) -> dict[str, str]:
    """Return the names in a path. Raises ProblemError for what no name holds."""
    try:
        names = {name: unquote(value, errors="strict") for name, value in captured.items()}
    except UnicodeDecodeError:
        raise problems.ProblemError(400, problems.NOT_UTF_8) from None
    if any("\0" in value for value in names.values()):  # PostgreSQL refuses NUL in a parameter
        raise problems.ProblemError(404, "A name in the path holds a NUL character. No name does.")
    return names


def _call(handler: Handler, contract: Contract, names: Mapping[str, str]) -> Any:
    """Call a handler with what the request holds. Raises ProblemError for what its contract refuses."""
    if contract.query is None and contract.body is None:
        return handler(**names)
    current = current_request()
    body = {} if contract.body is None else {"body": _body(contract.body, current.request)}
    if contract.query is None:
        return handler(**names, **body)
    known = [one.name for one in contract.query]
    if is_page(str(current.request.path)):
        known += PAGE_PARAMETERS
    query = Query(current.request, *known)
    with handled_as(replace(current, read_query=query)):
        return handler(**names, **body)


def _body(name: str, request: Request) -> Body:
    from . import bodies

    return bodies.read(cast("type[Body]", getattr(bodies, name)), request)


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
