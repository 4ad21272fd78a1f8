"""Why an exception was raised, in one sentence: its own text, or wherever else Python keeps the reason.

A group says what its leaves say. An exception without text is explained by its cause, by what was handled
when it was raised, or by the line that raised it. Notes and the error output of a program are added.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

LEAVES = 20
END_OF_OUTPUT = 500


def reason(error: BaseException) -> str:
    """Return why an exception was raised; at least the name of its class."""
    if isinstance(error, BaseExceptionGroup):
        leaves = list(_leaves(error))
        words = "; ".join(_named(one) for one in leaves[:LEAVES])
        more = f"; and {len(leaves) - LEAVES} more" if len(leaves) > LEAVES else ""
        return words + more + _notes(error)
    text = _text(error)
    if isinstance(error, KeyError) and text:  # a bare 'host' says nothing
        text = f"{type(error).__name__}: {text}"
    return (text or _behind(error)) + _notes(error) + _output(error)


def _named(error: BaseException) -> str:
    words, name = reason(error), type(error).__name__
    return words if words.startswith(name) else f"{name}: {words}"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _behind(error: BaseException) -> str:
    """Explain an exception that has no text."""
    name = type(error).__name__
    seen = {id(error)}
    other = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while other is not None and id(other) not in seen:
        if _text(other) or isinstance(other, BaseExceptionGroup):
            return f"{name}, because of {_named(other)}"
        seen.add(id(other))
        other = other.__cause__ or (None if other.__suppress_context__ else other.__context__)
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    if not frames or not frames[-1].line:
        return name
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
    return f"{name} at {place}: {frames[-1].line}"


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001 - the message of an exception is the job's code too
        return type(error).__name__


def _notes(error: BaseException) -> str:
    notes = getattr(error, "__notes__", None)
    return "".join(f"; {note}" for note in notes) if isinstance(notes, list) else ""


def _output(error: BaseException) -> str:
    """Return the end of what a program wrote to its error output, if the exception kept it."""
    if type(error).__module__ != "subprocess":
        return ""
    kept = getattr(error, "stderr", None) or getattr(error, "output", None) or ""
    text = kept.decode("utf-8", "replace") if isinstance(kept, bytes) else str(kept)
    return f" {text.strip()[-END_OF_OUTPUT:]}" if text.strip() else ""
