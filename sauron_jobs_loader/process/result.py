"""What a job's end looks like as data: its return value or its failure, as one result frame.

A job may return anything: `returned` says whether a value means failure, `plain_values` makes data of it. A
value too large for a frame is replaced by its status fields and a mark.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.text import storable

from . import returned
from .plain_values import MOST_VALUES, STATUS_KEYS, TooManyValuesError, jsonable, marked, record
from .reason import reason

ERROR_LIMIT = 20_000  # more than is kept: secrets are masked before it is cut to that
VALUE_LIMIT = channel.FRAME_LIMIT - (1 << 16)

_OWN_FOLDER = __file__.rpartition("/process/")[0] + "/"
_ASYNCIO_FOLDER = traceback.__file__.rpartition("/")[0] + "/asyncio/"


def returned_with(value: Any) -> dict[str, Any]:
    """Make the result frame of a function that returned: a failure if the value says so."""
    if value is None:
        return {"ok": True, "value": None}
    try:
        fault = returned.fault(value)
        value = returned.finished(value)
    except Exception as error:  # noqa: BLE001 - a value may be the job's code, and its attributes too
        fault = returned.Fault(f"the returned value cannot be read: {reason(error)}", type(error).__name__)
    if fault is None:
        return succeeded(value)
    if fault.error is not None:
        return failed(fault.error)
    return failure(storable(fault.message)[:ERROR_LIMIT], fault.error_type)


def succeeded(value: Any) -> dict[str, Any]:
    """Make the result frame of a function that did its work; the `status` of the value may say otherwise."""
    try:
        plain = jsonable(value)
        size = len(channel.encode({"value": plain}, limit=sys.maxsize))
        if size <= VALUE_LIMIT:
            return {"ok": True, "value": plain}
        mark = {"__truncated__": f"the job returned {size} bytes, a result holds {VALUE_LIMIT}"}
    except TooManyValuesError:
        mark = {"__truncated__": f"the job returned more than {MOST_VALUES} values, a result holds fewer"}
    except Exception:  # noqa: BLE001 - containers are the job's code too; and integers can be too long to write
        mark = marked(value)
    return {"ok": True, "value": _status_fields(value) | mark}


def failed(error: BaseException) -> dict[str, Any]:
    """Make the result frame of a function that raised."""
    lines = traceback.format_exception(type(error), error, without_own_frames(error.__traceback__), limit=-50)
    return {
        "ok": False,
        "error": storable(reason(error))[:ERROR_LIMIT],
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


def _status_fields(value: Any) -> dict[str, Any]:
    """Return the fields that decide or explain a run's state, of a value that is not kept as a whole."""
    try:
        fields = value if isinstance(value, Mapping) else record(value) or {}
        found = {key: fields[key] for key in STATUS_KEYS if key in fields}
    except Exception:  # noqa: BLE001 - containers are the job's code too
        return {}
    return {key: _short(key, item) for key, item in found.items()}


def _short(key: str, item: Any) -> Any:
    try:
        plain = jsonable({key: item})[key]
        channel.encode({key: plain})
    except Exception:  # noqa: BLE001 - as above
        return marked(item)
    if isinstance(plain, str):
        return plain[:5000]
    return plain if isinstance(plain, bool | int | float | None) else marked(item)
