"""What a job's end looks like as data: its return value or its failure, as one result frame.

A job may return anything. What JSON cannot hold is shown by its repr and marked (`{"__repr__": ...}`), text
is made storable everywhere (no lone surrogates, no NUL), and a value too large for a frame is replaced by its
status fields and a mark.
"""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from types import TracebackType
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.text import storable

DEEPEST = 20
ERROR_LIMIT = 20_000  # more than is kept: secrets are masked before it is cut to that
LONGEST_REPR = 2000
VALUE_LIMIT = channel.FRAME_LIMIT - (1 << 16)
STATUS_KEYS = ("status", "error", "error_message", "error_type", "summary", "message")
"""Fields of a returned dict that decide or explain the run's state; kept when the rest is too large."""

_OWN_FOLDER = __file__.rpartition("/process/")[0] + "/"
_ASYNCIO_FOLDER = traceback.__file__.rpartition("/")[0] + "/asyncio/"


def succeeded(value: Any) -> dict[str, Any]:
    """Make the result frame of a function that returned."""
    try:
        plain = jsonable(value)
        size = len(channel.encode({"value": plain}, limit=sys.maxsize))
    except Exception:  # noqa: BLE001 - containers are the job's code too; and integers can be too long to write
        plain, size = marked(value), 0
    if size > VALUE_LIMIT:
        kept = (
            {key: _short(plain[key]) for key in STATUS_KEYS if key in plain}
            if isinstance(plain, dict)
            else {}
        )
        plain = {**kept, "__truncated__": f"the job returned {size} bytes, a result holds {VALUE_LIMIT}"}
    return {"ok": True, "value": plain}


def failed(error: BaseException) -> dict[str, Any]:
    """Make the result frame of a function that raised."""
    lines = traceback.format_exception(type(error), error, without_own_frames(error.__traceback__), limit=-50)
    return {
        "ok": False,
        "error": storable(_words(error))[:ERROR_LIMIT],
        "error_type": type(error).__name__,
        "traceback": storable("".join(lines))[-20_000:],
    }


def failure(message: str, error_type: str) -> dict[str, Any]:
    """Make the result frame of a failure that is no exception of the job."""
    return {"ok": False, "error": message, "error_type": error_type}


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Skip the leading frames of a traceback that are the loader's, and asyncio's before the job's."""
    while (
        trace
        and trace.tb_next
        and trace.tb_frame.f_code.co_filename.startswith((_OWN_FOLDER, _ASYNCIO_FOLDER))
    ):
        trace = trace.tb_next
    return trace


def jsonable(value: Any, depth: int = 0) -> Any:
    """Turn any value into what JSON can hold."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable(str.__str__(value))
    if isinstance(value, int | float):
        return value.real if isinstance(value, int) or math.isfinite(value) else marked(value)
    return _compound(value, depth) if depth < DEEPEST else marked(value)


def _compound(value: Any, depth: int) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return jsonable(value.value, depth + 1)
    if isinstance(value, Mapping):
        return {storable(str(key)): jsonable(item, depth + 1) for key, item in list(value.items())}
    if isinstance(value, Sequence | AbstractSet) and not isinstance(
        value, bytes | bytearray | memoryview | range
    ):
        return [jsonable(item, depth + 1) for item in list(value)]
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return jsonable(dump(), depth + 1)
    return marked(value)


def marked(value: Any) -> dict[str, str]:
    """Show a value by its repr, marked as such."""
    try:
        shown = repr(value)
    except Exception as error:  # noqa: BLE001 - a repr is the job's code and can raise anything
        shown = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return {"__repr__": storable(shown[:LONGEST_REPR])}


def _short(value: Any) -> Any:
    return (
        value[:5000]
        if isinstance(value, str)
        else value
        if isinstance(value, bool | int | float | None)
        else marked(value)
    )


def _words(error: BaseException) -> str:
    try:
        words = str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - the message of an exception is the job's code too
        return type(error).__name__
    # a bare 'host' says nothing
    return f"{type(error).__name__}: {words}" if isinstance(error, KeyError) else words
