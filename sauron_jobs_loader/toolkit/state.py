"""What the current job keeps between its runs, for jobs that take no context: the same store as `ctx.state`.

A value that was put is there for the next run, also after a crash of the job or the runner. Limit: keys of
256 characters, JSON values of 64 KiB; two runs of one job at the same time see each other's values, and
nothing here locks.
"""

from __future__ import annotations

import json
import math
from typing import Any

from sauron_jobs_loader.context import StateError, current


def get(key: str, default: Any = None) -> Any:
    """Return a stored value, or the default. Raises StateError when the store does not answer."""
    return current().state.get(key, default)


def put(key: str, value: Any) -> None:
    """Store a JSON value. Raises StateError when it is none, or too large."""
    current().state[key] = value


def delete(key: str) -> None:
    """Forget a key, whether it is there or not."""
    current().state.delete(key)


def keys() -> list[str]:
    """Return the keys that are stored."""
    return list(current().state)


def changed(key: str, value: Any, *, first: bool = True) -> bool:
    """Return whether a value differs from the stored one, and store it. `first` is the answer when nothing was stored.

    It is stored before you act on it: when what you do then must not be lost, compare with `get`, act, and
    `put` at the end.
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
    """Return whether a number is above the stored one, and store it. `first` is the answer when no number was stored.

    It is stored before you act on it, as with `changed`.
    """
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise StateError(f"rose({key!r}, ...) takes a finite number, not {number!r:.80}.")
    state = current().state
    before = state.get(key)
    state[key] = number
    if isinstance(before, bool) or not isinstance(before, int | float):
        return first
    return number > before


def _as_json(value: Any) -> Any:
    """Show a value as the store gives it back: tuples as lists, keys as text."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return value  # the store says what is wrong with it
