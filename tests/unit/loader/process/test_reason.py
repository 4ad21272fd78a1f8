"""The reason of a failure is found wherever Python keeps it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import NoReturn

import pytest

from sauron_jobs_loader.process.reason import LEAVES, reason


def caught(raises: Callable[[], object]) -> str:
    try:
        raises()
    except BaseException as error:  # noqa: BLE001 - of any kind
        return reason(error)
    raise AssertionError


def group() -> NoReturn:
    inner = ExceptionGroup("inner", [TimeoutError("took 3 s"), KeyError("host")])
    raise ExceptionGroup("unhandled errors in a TaskGroup", [ConnectionError("cannot reach db:5432"), inner])


def empty_from() -> NoReturn:
    try:
        raise ConnectionRefusedError("port 5432 is closed")
    except OSError as error:
        raise RuntimeError from error


def bad_row() -> NoReturn:
    raise ValueError("bad row 7")


def empty_while() -> NoReturn:
    try:
        bad_row()
    except ValueError:
        raise RuntimeError  # noqa: B904 - the context is what is tested


def empty_from_none() -> NoReturn:
    try:
        bad_row()
    except ValueError:
        raise RuntimeError from None


def empty_of_empty() -> NoReturn:
    try:
        empty_from()
    except RuntimeError:
        raise TimeoutError  # noqa: B904 - as above


def noted() -> NoReturn:
    error = ValueError("bad value")
    error.add_note("in row 7 of orders.csv")
    raise error


def program() -> NoReturn:
    raise subprocess.CalledProcessError(2, ["pg_dump"], stderr=b"no such database\n")


@pytest.mark.parametrize(
    ("raises", "words"),
    [
        (group, "ConnectionError: cannot reach db:5432; TimeoutError: took 3 s; KeyError: 'host'"),
        (empty_from, "RuntimeError, because of ConnectionRefusedError: port 5432 is closed"),
        (empty_while, "RuntimeError, because of ValueError: bad row 7"),
        (empty_of_empty, "TimeoutError, because of ConnectionRefusedError: port 5432 is closed"),
        (noted, "bad value; in row 7 of orders.csv"),
        (program, "Command '['pg_dump']' returned non-zero exit status 2. no such database"),
    ],
)
def test_a_reason_names_the_cause(raises: Callable[[], object], words: str) -> None:
    assert caught(raises) == words


@pytest.mark.parametrize(
    ("raises", "words"),
    [(empty_from_none, "RuntimeError at test_reason.py:"), (lambda: next(iter([])), "StopIteration at ")],
)
def test_an_exception_without_any_text_names_its_line(raises: Callable[[], object], words: str) -> None:
    assert caught(raises).startswith(words)


def test_the_line_of_an_assertion_is_its_reason() -> None:
    rows = 0
    with pytest.raises(AssertionError) as raised:
        assert_more(rows)
    raised.value.args = ()  # as without the rewriting of pytest
    assert reason(raised.value).endswith(": assert rows > 3")


def assert_more(rows: int) -> None:
    assert rows > 3


def test_an_exception_that_was_never_raised_has_its_name() -> None:
    assert reason(TimeoutError()) == "TimeoutError"


def test_a_circle_of_causes_ends() -> None:
    one, two = RuntimeError(), RuntimeError()
    one.__cause__, two.__cause__ = two, one
    assert reason(one) == "RuntimeError"


def test_a_large_group_says_how_many_more() -> None:
    many = ExceptionGroup("many", [OSError(f"disk {number}") for number in range(LEAVES + 2)])
    assert reason(many).startswith("OSError: disk 0; OSError: disk 1; ")
    assert reason(many).endswith("; and 2 more")
