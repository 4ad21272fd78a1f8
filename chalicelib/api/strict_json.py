"""Read the JSON of a request body, so that every reader of it would read the same.

A member that is there twice is refused, because readers differ in which one counts. So are values that no
store can hold: lone surrogates, NUL, numbers that a double cannot hold, deep nesting.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, Never

from .problems import ProblemError

MAX_DEPTH = 64
MAX_DIGITS = 308  # of a whole number: beyond, a double is infinite, and most readers of JSON use doubles
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"


def parse(text: str) -> dict[str, Any]:
    """Return the object that a text holds; `null` is an empty one.

    Raises ProblemError: 400 for a text that is not a JSON object, 422 with `faults` for members.
    """
    if text.startswith("\ufeff"):
        raise ProblemError(400, "The body begins with a byte order mark (BOM). Send UTF-8 without it.")
    repeated: list[str] = []
    value = _loaded(text, repeated)
    faults = [f"{name:.80}: this member is there twice; send it once" for name in repeated]
    if faults := faults or [f"{where}: this number is too large; send a text" for where in _large(value)]:
        raise unfit(faults)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProblemError(400, 'The body is not a JSON object. Send {"name": value, ...}, or nothing.')
    return value


def unfit(faults: list[str]) -> ProblemError:
    """Return the refusal of a body with these faults."""
    return ProblemError(422, "The body does not fit: " + "; ".join(faults) + ".", faults=faults)


def _loaded(text: str, repeated: list[str]) -> Any:
    """Return a value; the names of members that are there twice are added to `repeated`."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return found

    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_int=_whole_number, object_pairs_hook=members
        )
        _check_storable(value, MAX_DEPTH)
    except json.JSONDecodeError as error:
        raise ProblemError(
            400,
            f"The body is not JSON: it cannot be read from line {error.lineno}, column {error.colno} on. "
            'Send for example {"reason": "a text"}.',
        ) from None
    except RecursionError:
        raise ProblemError(400, f"The body cannot be used: {_TOO_DEEP}.") from None
    except ValueError as error:
        raise ProblemError(400, f"The body cannot be used: {error}.") from None
    return value


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else math.inf


def _large(value: Any, where: str = "") -> Iterator[str]:
    """Iterate over the places of numbers that a double cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where or "body"
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _large(item, f"{where}.{name}" if where else f"{name}")


def _no_constant(name: str) -> Never:
    raise ValueError(f"JSON has no {name}; leave it out or send null")


def _check_storable(value: Any, depth: int) -> None:
    """Raise ValueError for a value that no store can hold."""
    if depth == 0:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("it holds text that is not Unicode (a lone surrogate or NUL)")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_storable(key, depth - 1)
            _check_storable(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_storable(item, depth - 1)
