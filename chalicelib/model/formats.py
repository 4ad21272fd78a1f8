"""The formats of JSON Schema that are asserted, each by its standard, or as pydantic reads them.

A format that is not named here is not asserted (JSON Schema, validation, section 7).
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from jsonschema import FormatChecker

_CLOCK = r"(\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]" + _CLOCK, re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION = re.compile(r"P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_HOST = re.compile(
    r"(?=.{1,253}\.?$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?",
    re.ASCII,
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_REFERENCE = re.compile(r"[^\s<>\"{}|\\^`]*")


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Any]:
    return pattern.fullmatch


def _date_time(text: str) -> bool:
    """Read RFC 3339, with the leap second that it allows."""
    if (found := _DATE_TIME.fullmatch(text)) is None:
        return False
    day, clock, seconds, _fraction, offset = found.groups()
    datetime.fromisoformat(f"{day}T{clock}{'59' if seconds == '60' else seconds}{offset.upper()}")
    return True


def _time(text: str) -> bool:
    if (found := _TIME.fullmatch(text)) is None:
        return False
    clock, seconds, _fraction, offset = found.groups()
    time.fromisoformat(f"{clock}{'59' if seconds == '60' else seconds}{offset.upper()}")
    return True


def _date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))


def _uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text.lower()


_READ: dict[str, Callable[[str], Any]] = {
    "date-time": _date_time,
    "date": _date,
    "time": _time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "idn-email": _matches(_EMAIL),
    "hostname": _matches(_HOST),
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uri": _matches(_URI),
    "iri": _matches(_URI),
    "uri-reference": _matches(_REFERENCE),
    "uuid": _uuid,
    "regex": re.compile,
}


def _pydantic(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> bool:
        from pydantic import TypeAdapter

        TypeAdapter(kind).validate_python(text)
        return True

    return read


_AS_PYDANTIC = {"date-time": datetime, "date": date, "time": time, "duration": timedelta, "uuid": uuid.UUID}


def _checker(readers: dict[str, Callable[[str], Any]]) -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, read in readers.items():
        _assert(checker, name, read)
    return checker


def _assert(checker: FormatChecker, name: str, read: Callable[[str], Any]) -> None:
    def fits(value: object) -> bool:
        return not isinstance(value, str) or bool(read(value))

    checker.checks(name, raises=(ValueError, re.error))(fits)


FORMATS = _checker(_READ)
LENIENT = _checker(_READ | {name: _pydantic(kind) for name, kind in _AS_PYDANTIC.items()})
