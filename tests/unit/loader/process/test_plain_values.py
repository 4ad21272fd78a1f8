"""What a job returns is kept as data wherever it has a plain form."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from sauron_jobs_loader.process.plain_values import TooManyValuesError, jsonable


class Attribute(NamedTuple):
    name: str
    repr: bool


class Attrs:
    """What attrs makes of a class."""

    __attrs_attrs__ = (Attribute("status", True), Attribute("token", False))

    def __init__(self, status: str) -> None:
        self.status, self.token = status, "secret"


class Struct:
    """What msgspec makes of a class."""

    __slots__ = ("status",)
    __struct_fields__ = ("status",)

    def __init__(self, status: str) -> None:
        self.status = status


class Level(IntEnum):
    HIGH = 3


class Colour(Enum):
    RED = "red"


@dataclass
class Row:
    path: Path
    sizes: list[Decimal]
    kind: ClassVar[str] = "row"
    token: str = field(default="secret", repr=False)


class Point(NamedTuple):
    x: int
    at: date


class Number:
    """A number as numpy has it."""

    def tolist(self) -> list[int]:
        return [1, 2]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (Path("/tmp/a.csv"), "/tmp/a.csv"),  # noqa: S108
        (PurePosixPath("b"), "b"),
        (Decimal("1.10"), "1.10"),
        (Fraction(1, 3), "1/3"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ip_address("::1"), "::1"),
        (ZoneInfo("Europe/Paris"), "Europe/Paris"),
        (b"text \xc3\xa9", "text é"),
        (b"\xff", {"__repr__": "b'\\xff'"}),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (time(8, 30), "08:30:00"),
        (datetime(2026, 3, 2, tzinfo=UTC), "2026-03-02T00:00:00+00:00"),
        (Level.HIGH, 3),
        (Colour.RED, "red"),
        ({Colour.RED: Level.HIGH, date(2026, 3, 2): 1}, {"red": 3, "2026-03-02": 1}),
        (deque([1, (2,)]), [1, [2]]),
        (Counter("aa"), {"a": 2}),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [["a", 1]]),
        (Row(Path("x"), [Decimal(1)]), {"path": "x", "sizes": ["1"]}),
        (Point(1, date(2026, 3, 2)), {"x": 1, "at": "2026-03-02"}),
        (Attrs("ok"), {"status": "ok"}),
        (Struct("ok"), {"status": "ok"}),
        (Number(), [1, 2]),
        (complex(1, 2), {"__repr__": "(1+2j)"}),
        (Row, {"__repr__": repr(Row)}),
        (OSError("no disk"), {"__repr__": "OSError('no disk')"}),
    ],
)
def test_an_everyday_value_becomes_data(value: Any, data: Any) -> None:
    assert jsonable(value) == data


def test_a_record_that_holds_itself_ends() -> None:
    row = Row(Path("x"), [])
    row.sizes.append(row)  # type: ignore[arg-type]
    assert "__repr__" in str(jsonable(row))


def parents_and_children() -> dict[str, Any]:
    root: dict[str, Any] = {"status": "failed"}
    root["children"] = [{"parent": root, "near": [root, root]} for _ in range(9)]
    return root


def one_list_in_many_places() -> list[Any]:
    found: list[Any] = ["end"]
    for _ in range(60):
        found = [found, found]
    return found


@pytest.mark.parametrize("make", [parents_and_children, one_list_in_many_places])
def test_values_that_hold_each_other_many_times_over_end(make: Callable[[], Any]) -> None:
    with pytest.raises(TooManyValuesError):
        jsonable(make())
