"""What a job returns as JSON data: everyday values become data, records become objects, the rest is marked.

A record is a dataclass, a named tuple, a model of pydantic, attrs or msgspec, a namespace, a row of a
database, or an object with a `status`. A field that its class keeps out of its repr is kept out here too.
What JSON cannot hold is shown by its repr and marked (`{"__repr__": ...}`); text is made storable everywhere.
Values that hold each other many times over end at `DEEPEST` levels and at `MOST_VALUES` values.
"""

from __future__ import annotations

import math
import numbers
import os
import sys
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.text import storable

DEEPEST = 20
MOST_VALUES = channel.FRAME_LIMIT // 2  # more do not fit into a frame: each takes a character and a comma
LONGEST_REPR = 2000
STATUS_KEYS = ("status", "error", "error_message", "error_type", "summary", "message")
"""Fields that decide or explain the run's state; kept when the rest of a value is too large."""
_LISTED = (Sequence, AbstractSet, KeysView, ValuesView, ItemsView)
_NOT_LISTED = (bytes, bytearray, memoryview, range)
_AS_TEXT = {
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
    "ipaddress": (
        "IPv4Address",
        "IPv6Address",
        "IPv4Network",
        "IPv6Network",
        "IPv4Interface",
        "IPv6Interface",
    ),
    "zoneinfo": ("ZoneInfo",),
}
"""Classes of Python whose `str` is their value, by module: none is imported before a job did."""


class TooManyValuesError(ValueError):
    """A value holds more than `MOST_VALUES` others."""


def jsonable(value: Any) -> Any:
    """Turn any value into what JSON can hold. Raises TooManyValuesError."""
    return _plain(value, 0, iter(range(MOST_VALUES)))


def _plain(value: Any, depth: int, left: Iterator[int]) -> Any:
    """Turn a value at a depth; `left` has an item for each value that may still be turned."""
    if next(left, None) is None:
        raise TooManyValuesError
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable(str.__str__(value))
    if isinstance(value, int | float):
        return value.real if isinstance(value, int) or math.isfinite(value) else marked(value)
    if depth >= DEEPEST:  # its repr may be without end
        return {"__repr__": f"<{type(value).__name__}, nested deeper than {DEEPEST} levels>"}
    return _compound(value, depth + 1, left)


def record(value: Any) -> dict[str, Any] | None:
    """Return the fields of a record by their names, or None for any other value."""
    if isinstance(value, type | Mapping):
        return None
    names = _declared(value, type(value))
    if names is not None:
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    older = getattr(value, "dict", None) if hasattr(type(value), "__fields__") else None
    dump = getattr(value, "model_dump", None) or older  # pydantic 2 and 1
    if not callable(dump):
        return _loose(value, type(value))
    dumped = dump()
    return dict(dumped) if isinstance(dumped, Mapping) else None


def _declared(value: Any, kind: Any) -> list[str] | None:
    """Return the names of the fields that the class of a record declares."""
    if "dataclasses" in sys.modules and sys.modules["dataclasses"].is_dataclass(kind):
        return [one.name for one in sys.modules["dataclasses"].fields(kind) if one.repr]
    if (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
        return [one.name for one in attributes if one.repr]
    names = getattr(kind, "_fields", None) if isinstance(value, tuple) else None
    names = names or getattr(kind, "__struct_fields__", None)  # msgspec
    return list(names) if isinstance(names, tuple) else None


def marked(value: Any) -> dict[str, str]:
    """Show a value by its repr, marked as such."""
    try:
        shown = repr(value)
    except Exception as error:  # noqa: BLE001 - a repr is the job's code and can raise anything
        shown = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return {"__repr__": storable(shown[:LONGEST_REPR])}


def _loose(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the fields of an object whose class does not declare them."""
    if kind.__name__ == "CompletedProcess" and kind.__module__ == "subprocess":
        return {name: given for name, given in vars(value).items() if given is not None}
    if kind.__module__ == "sqlite3" and kind.__name__ == "Row":
        return dict(value)
    if isinstance(mapping := getattr(value, "_mapping", None), Mapping):  # a row of SQLAlchemy
        return dict(mapping)
    own = getattr(value, "__dict__", None)
    own = own if isinstance(own, dict) else {}
    if kind.__name__ in {"SimpleNamespace", "Namespace"} or isinstance(_named(value, own), str | Enum):
        also = {
            name: getattr(value, name) for name in STATUS_KEYS if name not in own and hasattr(value, name)
        }
        plain = {name: given for name, given in also.items() if not callable(given)}
        return {name: given for name, given in own.items() if not name.startswith("_")} | plain
    return None


def _named(value: Any, own: Mapping[str, Any]) -> Any:
    """Return the `status` of an object: its own, a slot, a property, or its class's."""
    return own["status"] if "status" in own else getattr(value, "status", None)


def _compound(value: Any, depth: int, left: Iterator[int]) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, depth, left)
    if isinstance(value, Mapping):
        return _object(value, depth, left)
    if (fields := record(value)) is not None:
        return _object(fields, depth, left)
    if isinstance(value, _LISTED) and not isinstance(value, _NOT_LISTED):
        return [_plain(item, depth, left) for item in list(value)]
    return _everyday(value, depth, left)


def _object(fields: Mapping[Any, Any], depth: int, left: Iterator[int]) -> dict[str, Any]:
    return {
        storable(str(key.value if isinstance(key, Enum) else key)): _plain(_status(key, item), depth, left)
        for key, item in list(fields.items())
    }


def _status(key: Any, item: Any) -> Any:
    """Return the name of a status whose value is a number, which would say nothing."""
    numbered = key == "status" and isinstance(item, Enum) and not isinstance(item.value, str)
    return item.name if numbered else item


def _everyday(value: Any, depth: int, left: Iterator[int]) -> Any:
    """Turn a value of one of Python's own classes into data; mark what is none."""
    text = _text(value)
    if text is not None:
        return storable(text)
    datetime = sys.modules.get("datetime")
    if datetime is not None and isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, numbers.Integral):
        return int(value)
    listed = getattr(value, "tolist", None)  # arrays and numbers of numpy
    plain = float(value) if isinstance(value, numbers.Real) else listed() if callable(listed) else value
    return marked(value) if plain is value or isinstance(value, type) else _plain(plain, depth, left)


def _text(value: Any) -> str | None:
    """Return the text of a value that is text in all but its class."""
    if any(kind.__name__ in _AS_TEXT.get(kind.__module__, ()) for kind in type(value).__mro__):
        return str(value)
    if hasattr(value, "__fspath__"):
        path = value.__fspath__()
        return path if isinstance(path, str) else os.fsdecode(path)
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    datetime = sys.modules.get("datetime")
    dated = datetime is not None and isinstance(value, datetime.date | datetime.time)
    return value.isoformat() if dated else None
