"""A value that says that the work failed or was not done is no success."""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import itertools
import multiprocessing
import re
import subprocess
import sys
import types
from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from chalicelib.execution.verdict import judge
from sauron_jobs_loader.process import result
from sauron_jobs_loader.toolkit.command import CommandResult
from sauron_jobs_loader.toolkit.ssh import SSHResult
from tests.attempts import attempt_facts
from tests.unit.loader.process.test_plain_values import Attrs, Struct


def judged(value: Any) -> tuple[str, str | None, str | None]:
    verdict = judge(attempt_facts(result=result.returned_with(value)), timeout=timedelta(seconds=1))
    return str(verdict.outcome), verdict.error, verdict.error_type


class Numbered(Enum):
    FAILED = 2


@dataclass
class Data:
    status: Any
    error: str | None = None
    password: str = field(default="x", repr=False)


class Named(NamedTuple):
    status: str


class Model(BaseModel):
    status: str


class Loose:
    def __init__(self, status: str) -> None:
        self.status = status


class Fixed:
    status = "failed"


class Computed:
    @property
    def status(self) -> Numbered:
        return Numbered.FAILED


class Slotted:
    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = "failed"


Old = namedtuple("Old", "status")  # noqa: PYI024


@pytest.mark.parametrize(
    "value",
    [
        {"status": "failed"},
        Data("failed"),
        Data(Numbered.FAILED),
        Named("FAILED"),
        Model(status="failed"),
        Loose("failed"),
        Fixed(),
        Computed(),
        Slotted(),
        Old("failed"),
        Attrs("failed"),
        Struct("failed"),
        types.SimpleNamespace(status="failed"),
        argparse.Namespace(status="failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_status_of_a_record_of_any_kind_decides(value: Any) -> None:
    assert judged(value)[0] == "failed"


@pytest.mark.parametrize("status", ["success", "done", "degraded"])
def test_another_status_of_a_record_is_no_failure(status: str) -> None:
    assert judged(Data(status))[0] == ("degraded" if status == "degraded" else "succeeded")
    assert judged(Data("failed", "no disk"))[1] == "no disk"


def failed_future() -> concurrent.futures.Future[None]:
    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    future.set_exception(OSError("no disk"))
    return future


def cancelled_future() -> concurrent.futures.Future[None]:
    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    future.cancel()
    return future


@pytest.mark.parametrize(
    ("value", "error", "error_type"),
    [
        (ValueError("no rows"), "no rows", "ValueError"),
        (ExceptionGroup("g", [OSError("no disk")]), "OSError: no disk", "ExceptionGroup"),
        (failed_future(), "no disk", "OSError"),
        (cancelled_future(), "the future was cancelled", "CancelledError"),
        ([1, OSError("no disk")], "no disk", "OSError"),
        (
            subprocess.CompletedProcess(["false"], 1),
            "the program ['false'] ended with code 1",
            "ExitCode",
        ),
        (
            subprocess.CompletedProcess("pg_dump x", -9, stderr=b"out of memory\n"),
            "the program 'pg_dump x' was ended by signal 9: out of memory",
            "ExitCode",
        ),
        (
            CommandResult(("df", "-h"), 2, "no disk\n", 0.1, timed_out=False),
            "the program ('df', '-h') ended with code 2: no disk",
            "ExitCode",
        ),
        (
            SSHResult(False, "", "refused", -1),
            "the program of the returned SSHResult ended with code -1: refused",
            "ExitCode",
        ),
    ],
)
def test_a_value_that_went_wrong_is_a_failure_with_its_reason(
    value: Any, error: str, error_type: str
) -> None:
    assert judged(value) == ("failed", error, error_type)


async def coroutine() -> None: ...


async def agenerator() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (generator, "a generator, of which nothing has run: write a function without yield"),
        (agenerator, "a async generator, of which nothing has run"),
        (lambda: (row for row in [1]), "a generator, of which nothing has run"),
        (lambda: map(str, [1]), "a map, of which nothing has run"),
        (lambda: filter(None, [1]), "a filter, of which"),
        (lambda: itertools.chain([1]), "a chain, of which"),
        (lambda: generator, r"the function generator, which nobody called: write generator\(\)"),
        (lambda: partial(print, 1), "which nobody called"),
        (concurrent.futures.Future, "a Future whose work nobody waited for"),
        (lambda: [1, map(str, [])], "item 2 of the returned values: the job returned a map"),
    ],
)
def test_a_value_of_which_nothing_was_done_is_a_failure(make: Any, words: str) -> None:
    outcome, error, error_type = judged(make())
    assert (outcome, error_type) == ("failed", "NotDone")
    assert re.search(words, str(error))


def test_a_coroutine_that_nobody_awaited_is_a_failure() -> None:
    made = coroutine()
    assert judged(made) == (
        "failed",
        "the job returned a coroutine, of which nothing has run: write await",
        "NotDone",
    )
    made.close()


@pytest.mark.process
def test_a_program_that_still_runs_is_not_done_and_one_that_failed_says_so() -> None:
    script = "import sys; sys.stdin.read(); sys.exit(3)"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as program:
        assert judged(program)[1:] == (
            "the job returned a program that still ran: call its wait(), or use subprocess.run",
            "NotDone",
        )
        program.communicate()
        assert judged(program)[2] == "ExitCode"


@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        1,
        [],
        "failed",
        {"failed": 3},
        {"errors": [OSError("handled")], "status": "success"},
        subprocess.CompletedProcess(["true"], 0),
        range(3),
        print.__class__,
        iter([1]),
    ],
)
def test_any_other_value_is_success(value: Any) -> None:
    assert judged(value)[0] == "succeeded"


def in_a_circle() -> dict[str, Any]:
    value: dict[str, Any] = {"status": "failed", "error_message": "no disk"}
    value["others"] = [value, [value, value], value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"status": "failed", "error_message": "no disk", "rows": ["x" * 1000] * 2000},
        {"status": "failed", "error_message": "no disk", "bytes_freed": 10**5000},
        {"status": Numbered.FAILED, "error_message": "no disk", "seen": [0] * 2_000_000},
        in_a_circle(),
    ],
    ids=["too large", "not JSON", "too many", "a circle"],
)
def test_the_status_counts_also_where_the_rest_of_a_value_cannot_be_kept(value: Any) -> None:
    assert judged(value)[:2] == ("failed", "no disk")


@pytest.mark.process
def test_a_process_that_ended_badly_or_still_runs_is_no_success_however_it_was_started() -> None:
    async def started(code: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    async def ended() -> tuple[Any, Any]:
        made = await started("raise SystemExit(3)")
        running = judged(made)
        await made.wait()
        return running, judged(made)

    running, over = asyncio.run(ended())
    assert running[2] == "NotDone"
    assert "await its wait()" in running[1]
    assert over[2] == "ExitCode"
    assert "ended with code 3" in over[1]
    worker = multiprocessing.get_context("spawn").Process(target=sys.exit, args=(4,), name="copier")
    worker.start()
    worker.join()
    assert judged(worker)[1:] == ("the program 'copier' ended with code 4", "ExitCode")


def test_the_result_of_a_future_that_is_done_is_the_result() -> None:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_result({"status": "degraded"})
    assert judged(future)[0] == "degraded"
