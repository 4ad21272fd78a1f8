"""Query parameters, each declared once: the declaration reads what a caller sent, and documents it.

A route names its parameters where it is declared (`routing.get`); every other name is refused there. The
handler then reads each with `of`. Nothing here imports pydantic, so that a cold start stays short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from .query import RUN_ID, Query

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T]):
    """One parameter: its name, what it means, its JSON schema, and how it is read.

    `repeated`: it may be sent several times, or hold several values separated by commas.
    """

    name: str
    about: str
    schema: dict[str, Any]
    read: Callable[[Query], T]
    repeated: bool = False

    def of(self, query: Query) -> T:
        """Return the value in a query. Raises ProblemError 400."""
        return self.read(query)


def text(name: str, about: str, **schema: Any) -> Parameter[str | None]:
    """Declare a text."""
    return Parameter(name, about, {"type": "string"} | schema, lambda query: query.text(name))


def whole(name: str, about: str, *, low: int, high: int, default: int) -> Parameter[int]:
    """Declare a whole number in a range. A default outside of it means that nothing was sent."""
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    if low <= default <= high:
        schema["default"] = default
    return Parameter(
        name, about, schema, lambda query: query.whole(name, low=low, high=high, default=default)
    )


def flag(name: str, about: str) -> Parameter[bool]:
    """Declare a truth, false without it."""
    schema = {"type": "boolean", "default": False}
    return Parameter(name, about, schema, lambda query: query.flag(name))


def instant(name: str, about: str) -> Parameter[datetime | None]:
    """Declare an instant; an empty text is none."""
    schema = {"type": "string", "anyOf": [{"format": "date-time"}, {"maxLength": 0}]}
    return Parameter(name, about, schema, lambda query: query.instant(name))


def written_instant(name: str, about: str) -> Parameter[str | None]:
    """Declare an instant whose zone may be known only later; the handler reads it."""
    return Parameter(name, about, {"type": "string"}, lambda query: query.written_instant(name))


def among(name: str, about: str, choices: type[E]) -> Parameter[list[E]]:
    """Declare values of an enumeration."""
    schema = {"type": "array", "items": {"type": "string", "enum": [str(one) for one in choices]}}
    return Parameter(name, about, schema, lambda query: query.among(name, choices), repeated=True)


def texts(name: str, about: str) -> Parameter[list[str]]:
    """Declare texts."""
    schema = {"type": "array", "items": {"type": "string"}}
    return Parameter(name, about, schema, lambda query: query.texts(name), repeated=True)


def run_id(name: str, about: str) -> Parameter[str | None]:
    """Declare a run's id; an empty text is none."""
    schema = {"type": "string", "pattern": f"^({RUN_ID.pattern})?$"}
    return Parameter(name, about, schema, lambda query: query.run_id(name))
