"""What an attempt's end means: one table from facts to verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import BundleError
from chalicelib.execution.verdict import internal_error, judge, lost, not_started
from chalicelib.model.runs import Outcome, Verdict
from sauron_jobs_loader.launch.facts import AttemptFacts, facts_of
from sauron_jobs_loader.launch.oom_watch import OomWatch
from tests.attempts import attempt_facts
from tests.runs import a_run

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RETURNED = {"ok": True, "value": None}
RAISED = {"ok": False, "error": "boom", "error_type": "ValueError"}


def verdict(facts: AttemptFacts) -> Verdict:
    return judge(facts, timeout=timedelta(seconds=7))


def outcome(facts: AttemptFacts) -> tuple[str, str | None, str | None]:
    judged = verdict(facts)
    return judged.outcome, judged.error, judged.error_type


def returned(value: Any) -> AttemptFacts:
    return attempt_facts(result={"ok": True, "value": value})


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
    assert verdict(returned(value)).result == value


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


def test_a_job_may_say_that_it_timed_out_and_the_error_type_says_so_unless_the_job_names_another() -> None:
    assert outcome(returned({"status": "timeout"})) == (
        "timed_out",
        "the job says that it timed out",
        "timeout",
    )
    assert outcome(returned({"status": "timeout", "error": "slow", "error_type": "Slow"})) == (
        "timed_out",
        "slow",
        "Slow",
    )


def test_raising_is_failure_with_its_type() -> None:
    assert outcome(attempt_facts(exit_code=1, result=RAISED)) == ("failed", "boom", "ValueError")
    assert outcome(attempt_facts(exit_code=1, result={"ok": False})) == ("failed", "failed", "error")


def test_no_result_is_a_crash_and_never_success() -> None:
    assert outcome(attempt_facts()) == ("failed", "ended without a result (exit code 0)", "crashed")
    assert outcome(attempt_facts(exit_code=None, signal=9)) == ("failed", "killed by SIGKILL", "crashed")
    assert outcome(attempt_facts(exit_code=None, signal=63))[1] == "killed by signal 63"


def test_without_a_report_the_supervisor_was_killed_but_a_result_that_came_before_stands() -> None:
    assert outcome(attempt_facts(reported=False, exit_code=None)) == (
        "failed",
        "its supervisor was killed",
        "crashed",
    )
    assert outcome(attempt_facts(reported=False, exit_code=None, result=RETURNED))[0] == "succeeded"


@pytest.mark.parametrize(
    ("exit_code", "expected"),
    [(0, ("succeeded", None, None)), (3, ("failed", "the command ended with exit code 3", "ExitCode"))],
)
def test_a_command_is_judged_by_its_exit_code(
    exit_code: int, expected: tuple[str, str | None, str | None]
) -> None:
    assert outcome(attempt_facts(became_command=True, exit_code=exit_code)) == expected


def test_a_command_that_a_signal_ended_has_crashed_and_one_that_could_not_start_says_why() -> None:
    assert outcome(attempt_facts(became_command=True, exit_code=None, signal=15))[1] == "killed by SIGTERM"
    refused = attempt_facts(became_command=True, exit_code=127, result=RAISED)
    assert outcome(refused) == ("failed", "boom", "ValueError")


@pytest.mark.parametrize(
    "more", [{"result": RETURNED}, {"became_command": True}, {"exit_code": None, "signal": 9}]
)
def test_the_timeout_wins_over_what_the_job_said_last(more: dict[str, Any]) -> None:
    assert outcome(attempt_facts(timed_out=True, **more)) == ("timed_out", "timed out after 7 s", "timeout")


def test_a_stop_is_a_cancel_unless_the_runner_stopped_or_the_lease_was_lost() -> None:
    def stopped(reason: str) -> tuple[str, str | None, str | None]:
        return outcome(attempt_facts(stopped=True, stop_reason=reason, timed_out=True, result=RETURNED))

    assert stopped("cancelled by ann") == ("cancelled", "cancelled by ann", "cancelled")
    for reason in ("its runner was stopped", "its lease was taken over"):
        assert stopped(reason) == ("interrupted", reason, "interrupted")


def test_an_order_to_stop_that_came_after_the_end_changes_nothing() -> None:
    assert outcome(attempt_facts(stop_reason="cancelled by ann", result=RETURNED))[0] == "succeeded"


def test_an_attempt_whose_supervisor_was_killed_while_it_was_to_stop_counts_as_stopped() -> None:
    facts = attempt_facts(reported=False, stop_reason="cancelled by ann", result=RETURNED)
    assert outcome(facts)[0] == "cancelled"


def test_an_attempt_that_got_no_process_failed_unless_the_runner_was_stopping() -> None:
    error = BundleError("no such revision")
    assert not_started(error, stopped=None) == Verdict(Outcome.FAILED, "no such revision", "not_started")
    assert not_started(error, stopped="cancelled by ann").outcome is Outcome.FAILED
    assert not_started(error, stopped="its runner was stopped").outcome is Outcome.INTERRUPTED


def test_an_attempt_whose_runner_is_gone_is_interrupted_unless_it_was_cancelled() -> None:
    assert lost(a_run(), owner="vm-1") == Verdict(
        Outcome.INTERRUPTED, "its runner vm-1 is gone", "interrupted"
    )
    assert lost(a_run(cancel_reason="by ann"), owner="vm-1") == Verdict(
        Outcome.CANCELLED, "by ann", "cancelled"
    )


def test_a_fault_of_saurons_own_is_failure_and_says_so() -> None:
    assert internal_error(OSError("disk")) == Verdict(
        Outcome.FAILED, "Sauron could not run the attempt: disk", "internal"
    )


def test_the_loader_hands_over_what_the_supervisor_reported_and_judges_nothing(tmp_path: Path) -> None:
    cgroup: dict[str, Any] = {"oom": OomWatch(tmp_path), "ran_alone": False}
    report = {
        "status": 3 << 8,
        "leftovers": 2,
        "timed_out": True,
        "stopped": False,
        "max_rss_kb": 5,
        "cpu_seconds": 0.5,
    }
    facts = facts_of(report, result=RETURNED, became_command=False, stop_reason="late", leftovers=0, **cgroup)
    assert facts == attempt_facts(
        exit_code=3,
        result=RETURNED,
        timed_out=True,
        stop_reason="late",
        leftovers=2,
        max_rss_kb=5,
        cpu_seconds=0.5,
        oom_kills=None,
        ran_alone=False,
    )
    gone = facts_of(None, result=None, became_command=False, stop_reason=None, leftovers=4, **cgroup)
    assert gone == attempt_facts(reported=False, exit_code=None, leftovers=4, oom_kills=None, ran_alone=False)
    assert (
        facts_of(
            report | {"status": 9}, result=None, became_command=False, stop_reason=None, leftovers=0, **cgroup
        ).signal
        == 9
    )


KILLED = {"exit_code": None, "signal": 9, "max_rss_kb": 240 << 10}
NAMED = "killed by the kernel because memory ran out (limit 256 MB, the job used up to 240 MB)"
BESIDE = "; while it ran, the kernel killed a process because memory ran out (limit 256 MB)"


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        (KILLED, NAMED),
        (KILLED | {"ran_alone": False}, NAMED.replace("killed by", "killed, most likely by")),
        (KILLED | {"oom_kills": 0}, "killed by SIGKILL"),
        (
            KILLED | {"oom_kills": None, "memory_limit_mb": None},
            "killed by SIGKILL; memory may have run out (the job used up to 240 MB)",
        ),
        (
            KILLED | {"memory_limit_mb": None, "max_rss_kb": None},
            "killed by the kernel because memory ran out",
        ),
        ({"signal": 15, "exit_code": None, "ran_alone": False}, "killed by SIGTERM"),
        ({"result": RAISED}, f"boom{BESIDE}"),
        ({"result": RAISED, "ran_alone": False}, "boom"),
        ({"result": RAISED, "oom_kills": 0}, "boom"),
        ({"result": RAISED, "oom_kills": None}, "boom"),
        (
            {"became_command": True, "exit_code": 137, "ran_alone": False},
            f"the command ended with exit code 137{BESIDE}",
        ),
        (
            {"became_command": True, "exit_code": 137, "oom_kills": None, "memory_limit_mb": None},
            "the command ended with exit code 137; memory may have run out",
        ),
        ({"reported": False, "exit_code": None}, f"its supervisor was killed{BESIDE}"),
        ({"reported": False, "exit_code": None, "oom_kills": None}, "its supervisor was killed"),
    ],
)
def test_a_kill_for_want_of_memory_is_named_as_far_as_the_kernel_tells(
    facts: dict[str, Any], error: str
) -> None:
    judged = verdict(attempt_facts(**{"oom_kills": 1, "memory_limit_mb": 256, **facts}))
    assert (judged.outcome, judged.error) == ("failed", error)
    assert judged.error_type == verdict(attempt_facts(**facts)).error_type  # memory changes no type


@pytest.mark.parametrize(
    "facts", [{"result": RETURNED}, {"timed_out": True}, {"stopped": True, "stop_reason": "by ann"}]
)
def test_an_end_that_sauron_or_the_job_explains_is_not_put_on_memory(facts: dict[str, Any]) -> None:
    assert "memory" not in (verdict(attempt_facts(oom_kills=3, **facts)).error or "")
