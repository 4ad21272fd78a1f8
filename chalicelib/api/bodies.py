"""Request bodies: read as JSON, checked by pydantic, refused with every fault at once.

An empty body is an empty object. Nothing is coerced: a truth is `true` and no text, a time is a text and no
number.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from chalice.app import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from chalicelib.model.instants import EXAMPLE, InstantError, read_instant
from chalicelib.model.planning import DAYS, MOST_DAYS
from chalicelib.operations import acts

from .content import content_type, wrong_type
from .problems import ProblemError
from .strict_json import parse, unfit


def _instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("instant", f"send a time as a text, such as {EXAMPLE}")
    try:
        return read_instant(value)
    except InstantError as error:
        raise PydanticCustomError("instant", "{why}", {"why": str(error)}) from None


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Ref = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Sha = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{7,40}$")]

# What a fault of pydantic's means to whoever sent the body; `{...}` is from the fault's context.
_SENTENCES = {
    "missing": "it is missing",
    "bool_type": "send true or false",
    "int_type": "send a whole number",
    "greater_than_equal": "send at least {ge}",
    "less_than_equal": "send at most {le}",
    "string_type": "send a text",
    "dict_type": "send an object",
    "string_too_long": "it is longer than {max_length} characters",
    "string_too_short": "it is empty",
    "string_pattern_mismatch": "write a commit id of 7 to 40 hexadecimal digits",  # of `sha` alone
}


class Body(BaseModel):
    """Base of all bodies: an unknown member is refused, so that a typo does not pass; nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TriggerBody(Body):
    """POST /jobs/{id}/trigger."""

    params: dict[str, Any] | None = None
    reason: Line | None = None
    force: bool = False
    chain: bool = True


class SwitchBody(Body):
    """POST /jobs/{id}/enable and /disable, and /pause."""

    reason: Line | None = None
    until: Instant | None = None


class ReasonBody(Body):
    """POST to cancel, drain, resume and unpause."""

    reason: Line | None = None


class RetryBody(ReasonBody):
    """POST /runs/{id}/retry."""

    force: bool = False


class SyncBody(Body):
    """POST /sync."""

    reason: Line | None = None

    ref: Ref | None = None
    accept_removals: bool = False


class PlanBody(Body):
    """POST /plan."""

    ref: Ref | None = None
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = DAYS


class RollbackBody(Body):
    """POST /rollback."""

    reason: Line | None = None

    sha: Sha


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
        value = parse(text)
    acts.describe(reason=value.get("reason"))
    body = fit(model, value)
    acts.describe(subject=getattr(body, "sha", None) or getattr(body, "ref", None))
    return body


def fit(model: type[B], value: Any) -> B:
    """Return a value as a model's. Raises ProblemError 422 with `faults`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise unfit([_fault(fault, model) for fault in error.errors(include_url=False)]) from None


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(
            400, f"The body is not UTF-8 (byte {error.start + 1}). Send JSON in UTF-8."
        ) from None


def _fault(fault: Any, model: type[Body]) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "body"
    if fault["type"] == "extra_forbidden":
        return f"{where}: this member does not exist here; send one of {', '.join(model.model_fields)}"
    sentence = _SENTENCES.get(fault["type"])
    return f"{where}: {sentence.format_map(fault.get('ctx', {})) if sentence else fault['msg']}"
