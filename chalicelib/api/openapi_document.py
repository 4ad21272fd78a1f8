"""The OpenAPI 3.1 document, made from the routes' contracts and from the models that validate.

It is made when it is first asked for, because pydantic and the shapes of responses are needed for nothing
else. Pages for people are left out.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from chalicelib import __version__
from chalicelib.settings_readers import SCOPES

from . import bodies, responses
from .auth import PUBLIC, scope_needed
from .parameters import Parameter, text
from .problems import CONTENT_TYPE as PROBLEM_TYPE
from .responses.base import Problem, Returned
from .routing import Route

JSON = "application/json"
REF = "#/components/schemas/{model}"
ABOUT = f"""Sauron's HTTP API: jobs, runs, the bundle, and how Sauron is.

**Tokens.** Send `Authorization: Bearer <token>`, one of SAURON_API_TOKENS. A scope includes those before it:
{" < ".join(SCOPES)}. Without configured tokens the API is open; on AWS every route that needs a token is
401 then.

**Lists** come in pages: send a page's `next_after` as `after` to read the next one; it is null on the last.

**Errors** are problem+json (RFC 9457). `detail` says what is wrong and what to send instead. A method that a
path does not have is 405, with the header `Allow`.

**HEAD** works wherever GET does. Responses to both have an `ETag`; with `If-None-Match` what you have already
is 304.
"""
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of SAURON_API_TOKENS."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "For people's pages alone, `/` and `/ui/...`: any name, and a token as the password.",
    },
}
# What each refusal means on whichever route it occurs.
REFUSALS = {
    400: "The request cannot be read: query, header or body. `parameter` names a query parameter.",
    401: "No token, or a wrong one.",
    403: "The token's scope is too low (`needed` names the scope), or a page of another site sent this.",
    404: "There is no such job, run, runner or revision.",
    405: "The path does not have this method; the header `Allow` lists those that it has.",
    409: "It does not go with the present state, or the `Idempotency-Key` was used for another request.",
    413: "The body is larger than 64 KB.",
    415: "The body is not JSON, or it is compressed.",
    421: "An open API does not serve this host name. Set SAURON_API_TOKENS or SAURON_PUBLIC_URL.",
    422: "The body does not fit; `faults` lists every fault.",
    429: "Too many wrong tokens came from this address; `Retry-After` says when to try again.",
    500: "Something went wrong inside Sauron; its log has the details.",
    501: "What answers this route is not installed here.",
    503: "The store or the bundle's repository cannot be used right now.",
}
HEADERS = {
    401: {"WWW-Authenticate": "How to authenticate."},
    405: {"Allow": "The methods that the path has."},
    429: {"Retry-After": "Seconds."},
}
IF_NONE_MATCH = text(
    "If-None-Match", "The `ETag` of a response that you have; if it is still so, this is 304."
)
TAGGED = {"ETag": "A digest of the content."}
ALWAYS = (400, 401, 403, 421, 429, 500, 503)  # on every route that needs a token
WITH_POST = (413, 415)
WITH_BODY = (422,)


class _Untitled(GenerateJsonSchema):
    """JSON Schema without a title for each field: it only repeats the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        """Return that no field gets a title."""
        return False


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of these routes, without those for people."""
    told = [route for route in routes if route.contract.returns is not None]
    shapes = response_models()
    paths: dict[str, dict[str, Any]] = {}
    for route in told:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sauron", "version": __version__, "description": ABOUT},
        "servers": [{"url": "."}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY,
            "schemas": _schemas(told, shapes),
            "responses": {_name(status): _refusal(status) for status in REFUSALS},
        },
    }


def response_models() -> dict[str, type[Returned]]:
    """Return the classes of all modules of `responses`, by name."""
    found: dict[str, type[Returned]] = {}
    for one in pkgutil.iter_modules(responses.__path__):
        module = importlib.import_module(f"{responses.__name__}.{one.name}")
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and isinstance(value, type) and issubclass(value, Returned):
                if name in found:
                    raise ValueError(f"Two responses are called {name}. Give one of them another name.")
                found[name] = value
    return found


def _schemas(routes: Iterable[Route], shapes: dict[str, type[Returned]]) -> dict[str, Any]:
    used: list[type[BaseModel]] = [Problem]
    for route in routes:
        contract = route.contract
        names = [contract.returns, *contract.also.values()]
        used += [shapes[name] for name in names if name and "/" not in name]
        used += [getattr(bodies, contract.body)] if contract.body else []
    wanted: list[tuple[type[BaseModel], Any]] = [(one, "validation") for one in dict.fromkeys(used)]
    _, schema = models_json_schema(wanted, ref_template=REF, schema_generator=_Untitled)
    found: dict[str, Any] = schema["$defs"]
    return found


def _operation(route: Route) -> dict[str, Any]:
    contract = route.contract
    summary, _, more = (inspect.getdoc(route.handler) or "").partition("\n")
    public = route.path in PUBLIC
    scope = scope_needed(route.method, route.path)
    needs = "Needs no token." if public else f"Needs a token of scope `{scope}`."
    return {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)]),
        "tags": [re.findall(r"\w+", route.path)[0]],
        "summary": summary,
        "description": "\n\n".join(filter(None, (_joined(more), needs))),
        **({"security": []} if public else {}),
        "parameters": list(_parameters(route)),
        **({"requestBody": _request_body(contract.body)} if contract.body else {}),
        "responses": _responses(route, public=public),
    }


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for one in route.contract.query or ():
        yield _query_parameter(one)
    for one in (*route.contract.headers, *((IF_NONE_MATCH,) if route.method == "GET" else ())):
        yield {"name": one.name, "in": "header", "description": one.about, "schema": one.schema}


def _query_parameter(one: Parameter[Any]) -> dict[str, Any]:
    about = f"{one.about} Repeat it, or separate values by commas." if one.repeated else one.about
    return {"name": one.name, "in": "query", "description": about, "schema": one.schema}


def _request_body(name: str) -> dict[str, Any]:
    model: type[BaseModel] = getattr(bodies, name)
    required = any(field.is_required() for field in model.model_fields.values())
    schema: dict[str, Any] = {"$ref": REF.format(model=name)}
    if not required:  # `null` is an empty body
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {"required": required, "content": {JSON: {"schema": schema}}}


def _responses(route: Route, *, public: bool) -> dict[str, Any]:
    contract = route.contract
    refused = {*contract.refuses, *(() if public else ALWAYS)}
    refused |= {*WITH_POST} if route.method == "POST" else set()
    refused |= {*WITH_BODY} if contract.body else set()
    if contract.query:
        refused.add(400)
    well = {
        "description": HTTPStatus(contract.status).phrase,
        "content": _content(contract.returns or ""),
        **_headers({**contract.sends, **(TAGGED if route.method == "GET" else {})}),
    }
    found = {str(contract.status): well}
    for status in sorted(refused - contract.also.keys()):
        found[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    if route.method == "GET":
        found["304"] = {"description": "You have it already: `If-None-Match` names it.", **_headers(TAGGED)}
    for status, name in contract.also.items():
        found[str(status)] = {"description": HTTPStatus(status).phrase, "content": _content(name)}
    return dict(sorted(found.items()))


def _content(returns: str) -> dict[str, Any]:
    if "/" in returns:
        kinds = returns.split(", ")
        return {kind: {"schema": {"type": "object" if kind == JSON else "string"}} for kind in kinds}
    return {JSON: {"schema": {"$ref": REF.format(model=returns)}}}


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": REFUSALS[status],
        "content": {PROBLEM_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}},
        **_headers(HEADERS.get(status, {})),
    }


def _headers(about: Any) -> dict[str, Any]:
    if not about:
        return {}
    return {
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in about.items()}
    }


def _name(status: int) -> str:
    return f"{Problem.__name__}{status}"


def _joined(paragraphs: str) -> str:
    """Return paragraphs whose lines are joined, as Markdown shows them anyway."""
    return "\n\n".join(" ".join(part.split()) for part in paragraphs.strip().split("\n\n"))
