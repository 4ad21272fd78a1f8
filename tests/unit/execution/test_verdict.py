from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.execution.verdict import judge
from chalicelib.model.runs import Outcome


@dataclass(frozen=True)
class Ended:
    exit_code: int | None = 0
    signal: int | None = None
    result: dict[str, Any] | None = None
    timed_out: bool = False
    stopped: str | None = None
    crash: str | None = None
    max_rss_kb: int | None = None
    cpu_seconds: float | None = None


def outcome(ended: Ended) -> tuple[str, str | None, str | None]:
    verdict = judge(ended, timeout=timedelta(seconds=7), interrupted={"stopped"})
    return verdict.outcome, verdict.error, verdict.error_type


def returned(value: Any) -> Ended:
    return Ended(result={"ok": True, "value": value})


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "fine",
        [],
        {},
        {"status": "ok"},
        {"status": "success", "error": "ignored"},
        {"status": 5},
        {"status": None},
    ],
)
def test_anything_else_that_returns_is_success(value: Any) -> None:
    assert outcome(returned(value)) == ("succeeded", None, None)


@pytest.mark.parametrize("status", ["degraded", "partial", "partial_failure", "warning", "WARNING "])
def test_a_job_may_say_that_not_all_is_well(status: str) -> None:
    assert outcome(returned({"status": status, "error_message": "2 of 3", "error_type": "Some"})) == (
        "degraded",
        "2 of 3",
        "Some",
    )


@pytest.mark.parametrize("status", ["error", "failure", "failed", "dead"])
def test_a_job_may_say_that_it_failed(status: str) -> None:
    assert outcome(returned({"status": status, "error": "no disk"})) == ("failed", "no disk", None)
    assert outcome(returned({"status": status}))[1] == f"the job returned status {status!r}"


def test_a_job_may_say_that_it_timed_out() -> None:
    assert outcome(returned({"status": "timeout"}))[0] == "timed_out"


def test_raising_is_failure_with_its_type() -> None:
    assert outcome(Ended(1, result={"ok": False, "error": "boom", "error_type": "ValueError"})) == (
        "failed",
        "boom",
        "ValueError",
    )


def test_no_result_is_a_crash_and_never_success() -> None:
    assert outcome(Ended(0, crash="it ended without a result")) == (
        "failed",
        "it ended without a result",
        "crashed",
    )
    assert outcome(Ended(0))[0] == "failed"


def test_the_timeout_wins_over_what_the_job_said_last() -> None:
    assert outcome(Ended(timed_out=True, result={"ok": True, "value": None}))[:2] == (
        "timed_out",
        "timed out after 7 s",
    )


def test_a_stop_is_a_cancel_unless_the_runner_stopped() -> None:
    assert outcome(Ended(stopped="cancelled by ann"))[:2] == ("cancelled", "cancelled by ann")
    assert outcome(Ended(stopped="stopped"))[0] == Outcome.INTERRUPTED
