"""The state that a job keeps between its runs: the same as `ctx.state`, for jobs without a context.

A value that was put exists in the next run, also after a crash of the job or the runner. Limit: keys of 256
characters, JSON values of 64 KiB; two runs of one job at the same time see each other's values, without a
lock.
"""

from __future__ import annotations

import json
import math
from typing import Any

from sauron_jobs_loader.context import StateError, current


def get(key: str, default: Any = None) -> Any:
    """Return a stored value, or the default. Raises StateError if the store does not reply."""
    return current().state.get(key, default)


def put(key: str, value: Any) -> None:
    """Store a JSON value. Raises StateError if it is not valid JSON, or too large."""
    current().state[key] = value


def delete(key: str) -> None:
    """Delete a key if it exists."""
    current().state.delete(key)


def keys() -> list[str]:
    """Return the stored keys."""
    return list(current().state)


def changed(key: str, value: Any, *, first: bool = True) -> bool:
    """Return whether a value differs from the stored one, and store it.

    `first` is returned if none was stored. The value is stored before you act on it. If the act must not be
    lost, compare with `get`, act, and `put` at the end.
    """
    state = current().state
    try:
        before = state[key]
    except KeyError:
        state[key] = value
        return first
    if before == _as_json(value):
        return False
    state[key] = value
    return True


def rose(key: str, number: float, *, first: bool = False) -> bool:
    """Return whether a number is above the stored one, and store it. `first` is returned if none was stored.

    It is stored before you act on it, as with `changed`.
    """
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise StateError(f"rose({key!r}, ...) got {number!r:.80}: write a finite number.")
    state = current().state
    before = state.get(key)
    state[key] = number
    if isinstance(before, bool) or not isinstance(before, int | float):
        return first
    return number > before


def _as_json(value: Any) -> Any:
    """Return a value as the store returns it: tuples as lists, keys as text."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return value  # the store refuses it with the reason
