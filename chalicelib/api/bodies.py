"""Request bodies: read as JSON, checked by pydantic, refused with every fault at once.

An empty body is an empty object. Values that no store can hold are refused: lone surrogates, NUL, infinite
numbers, deep nesting.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Never, TypeVar

from chalice.app import Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .content import content_type, wrong_type
from .problems import ProblemError

MAX_DEPTH = 64

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Body(BaseModel):
    """Base of all bodies: an unknown member is refused, so that a typo does not pass unnoticed."""

    model_config = ConfigDict(extra="forbid")


class TriggerBody(Body):
    """POST /jobs/{id}/trigger."""

    params: dict[str, Any] | None = None
    reason: Line | None = None
    force: bool = False


class SwitchBody(Body):
    """POST /jobs/{id}/enable and /disable."""

    reason: Line | None = None
    until: AwareDatetime | None = None


class SyncBody(Body):
    """POST /sync."""

    ref: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)] | None = None
    accept_removals: bool = False


class RollbackBody(Body):
    """POST /rollback."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{7,40}$")]


B = TypeVar("B", bound=Body)


def read(model: type[B], request: Request) -> B:
    """Return the request's body.

    Raises ProblemError: 400 for a body that is not JSON, 415 for another content type, 422 with `faults`.
    """
    raw = request.raw_body or b""
    text = raw if isinstance(raw, str) else _decoded(raw)
    value: Any = {}
    if text.strip():
        if (kind := content_type(request)) != "application/json":
            raise wrong_type(kind)
        value = _parsed(text)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [_fault(fault, model) for fault in error.errors(include_url=False, include_context=False)]
        raise ProblemError(422, "The body does not fit: " + "; ".join(faults) + ".", faults=faults) from None


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(
            400, f"The body is not UTF-8 (byte {error.start + 1}). Send JSON in UTF-8."
        ) from None


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_constant)
        _check_storable(value, MAX_DEPTH)
    except json.JSONDecodeError as error:
        raise ProblemError(
            400, f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except (ValueError, RecursionError) as error:
        reason = (
            str(error) if isinstance(error, ValueError) else f"it is nested deeper than {MAX_DEPTH} levels"
        )
        raise ProblemError(400, f"The body cannot be used: {reason}.") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProblemError(400, 'The body is not a JSON object. Send {"name": value, ...}, or nothing.')
    return value


def _no_constant(name: str) -> Never:
    raise ValueError(f"JSON has no {name}; leave it out or send null")


def _check_storable(value: Any, depth: int) -> None:
    """Raise ValueError for a value that no store can hold."""
    if depth == 0:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("it holds text that is not Unicode (a lone surrogate or NUL)")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds a number that is too large; write a smaller one, or text")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_storable(key, depth - 1)
            _check_storable(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_storable(item, depth - 1)


def _fault(fault: Any, model: type[Body]) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "body"
    if fault["type"] == "extra_forbidden":
        return f"{where}: this member does not exist here; send one of {', '.join(model.model_fields)}"
    if fault["type"] == "string_pattern_mismatch":  # of `sha`, the one member with a pattern
        return f"{where}: write a commit id of 7 to 40 hexadecimal digits"
    if fault["type"] == "timezone_aware":
        return f"{where}: the time has no zone; write for example 2026-01-31T08:00:00Z"
    return f"{where}: {fault['msg']}"
