"""What an attempt's end means: the one place that turns facts into an outcome.

A result is believed only if the job's function returned it over the private channel, or if the command that
the job became ended with exit code 0. Nothing else that a job does makes a success of a missing result.
`sys.exit(0)` is success.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from chalicelib.model.runs import Outcome, Run, Verdict

DEGRADED = frozenset({"degraded", "partial", "partial_failure", "warning"})
FAILED = frozenset({"error", "failure", "failed", "dead"})
TIMED_OUT = frozenset({"timeout"})

KILLED_EXIT_CODE = 128 + signal.SIGKILL  # how a shell says that its command was killed

RUNNER_STOPPED = "its runner was stopped"
TAKEN_OVER = "its lease was taken over"
INTERRUPTIONS = frozenset({RUNNER_STOPPED, TAKEN_OVER})
"""The reasons for a stop that neither the job nor a person caused."""


class AttemptFacts(Protocol):
    """The facts about an attempt that is over."""

    @property
    def reported(self) -> bool:
        """Whether the supervisor lived to report the end."""

    @property
    def exit_code(self) -> int | None:
        """The exit code of the job's process, None if a signal ended it or it is not known."""

    @property
    def signal(self) -> int | None:
        """The number of the signal that ended the job's process."""

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The result frame: {ok, value} or {ok, error, error_type}."""

    @property
    def became_command(self) -> bool:
        """Whether the job's process was replaced by a command."""

    @property
    def timed_out(self) -> bool:
        """Whether the timeout ended it."""

    @property
    def stop_reason(self) -> str | None:
        """The reason given with an order to stop, also when the end came first."""

    @property
    def stopped(self) -> bool:
        """Whether the supervisor carried out an order to stop."""

    @property
    def max_rss_kb(self) -> int | None:
        """Peak memory."""

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time."""

    @property
    def oom_kills(self) -> int | None:
        """How many of Sauron's processes the kernel killed meanwhile for want of memory; None: not known."""

    @property
    def memory_limit_mb(self) -> int | None:
        """The limit on the memory of all of Sauron's processes, if one is seen and such kills are known."""

    @property
    def excess(self) -> tuple[str, str] | None:
        """The job's own limit that its processes went over: the type of the error, and the error."""

    @property
    def ran_alone(self) -> bool:
        """Whether no other attempt of this runner ran meanwhile."""


def judge(facts: AttemptFacts, *, timeout: timedelta) -> Verdict:
    """Return the verdict on an attempt; `timeout` is the one it ran under."""
    outcome, error, error_type, result = _judged(facts, timeout)
    if outcome is Outcome.FAILED and error is not None and facts.excess is None:
        error = _with_memory(facts, error)
    return Verdict(
        outcome,
        error,
        error_type,
        result,
        exit_code=facts.exit_code,
        signal=facts.signal,
        max_rss_kb=facts.max_rss_kb,
        cpu_seconds=facts.cpu_seconds,
    )


def not_started(error: Exception, *, stopped: str | None) -> Verdict:
    """Return the verdict on an attempt that got no process; `stopped` is why it was to end before that."""
    if stopped == RUNNER_STOPPED:
        return Verdict(Outcome.INTERRUPTED, stopped, "interrupted")
    return Verdict(Outcome.FAILED, str(error), "not_started")


def internal_error(error: Exception) -> Verdict:
    """Return the verdict on an attempt that Sauron itself broke."""
    return Verdict(Outcome.FAILED, f"Sauron could not run the attempt: {error}", "internal")


def lost(run: Run, *, owner: str) -> Verdict:
    """Return the verdict on an attempt whose runner is gone."""
    if run.cancel_reason:
        return Verdict(Outcome.CANCELLED, run.cancel_reason, "cancelled")
    return Verdict(Outcome.INTERRUPTED, f"its runner {owner} is gone", "interrupted")


_Judged = tuple[Outcome, str | None, str | None, Any]


def _judged(facts: AttemptFacts, timeout: timedelta) -> _Judged:
    """Decide by the first fact that explains the end: a stop, the timeout, a result, an exit, a crash."""
    # a supervisor that cannot report may have been killed while it carried out the order
    stop = facts.stop_reason if facts.stopped or not facts.reported else None
    if stop is not None:
        if stop in INTERRUPTIONS:
            return Outcome.INTERRUPTED, stop, "interrupted", None
        return Outcome.CANCELLED, stop, "cancelled", None
    if facts.timed_out:
        return Outcome.TIMED_OUT, f"timed out after {timeout.total_seconds():g} s", "timeout", None
    if facts.result is not None and facts.excess is None:
        return _of_result(facts.result)
    if facts.became_command and facts.exit_code is not None and facts.excess is None:
        return _of_command(facts.exit_code)
    error_type, error = facts.excess or ("crashed", _crash(facts))
    return Outcome.FAILED, error, error_type, None


def _of_result(frame: Mapping[str, Any]) -> _Judged:
    if frame.get("ok"):
        return _of_value(frame.get("value"))
    error, error_type = frame.get("error") or "failed", frame.get("error_type") or "error"
    return Outcome.FAILED, str(error), str(error_type), None


def _of_command(exit_code: int) -> _Judged:
    if exit_code == 0:
        return Outcome.SUCCEEDED, None, None, None
    return Outcome.FAILED, f"the command ended with exit code {exit_code}", "ExitCode", None


def _of_value(value: Any) -> _Judged:
    """Read a returned dict's `status`, `error`, `error_message`, `error_type`. Any other value is success."""
    if not isinstance(value, dict):
        return Outcome.SUCCEEDED, None, None, value
    status = value.get("status")
    word = status.strip().lower() if isinstance(status, str) else ""
    message = value.get("error_message") or value.get("error")
    error = str(message) if message else None
    error_type = str(value["error_type"]) if value.get("error_type") else None
    if word in DEGRADED:
        return Outcome.DEGRADED, error, error_type, value
    if word in FAILED:
        return Outcome.FAILED, error or f"the job returned status {status!r}", error_type, value
    if word in TIMED_OUT:
        return Outcome.TIMED_OUT, error or "the job says that it timed out", error_type or "timeout", value
    return Outcome.SUCCEEDED, None, None, value


def _crash(facts: AttemptFacts) -> str:
    """Say how an attempt ended without a result."""
    if not facts.reported:
        return "its supervisor was killed"
    if facts.signal == signal.SIGKILL and facts.oom_kills:
        sure = "killed" if facts.ran_alone else "killed, most likely"
        return f"{sure} by the kernel because memory ran out{_use(facts)}"
    if facts.signal is None:
        return f"ended without a result (exit code {facts.exit_code})"
    try:
        return f"killed by {signal.Signals(facts.signal).name}"
    except ValueError:
        return f"killed by signal {facts.signal}"


def _with_memory(facts: AttemptFacts, error: str) -> str:
    """Add that memory ran out to the error of an attempt that the kernel did not kill as a whole.

    The kernel counts the kills of all attempts together. So where others ran too, this is said only if
    something of this attempt was killed by SIGKILL.
    """
    crashed = facts.result is None and facts.signal == signal.SIGKILL
    killed = crashed or facts.exit_code == KILLED_EXIT_CODE or "SIGKILL" in error or not facts.reported
    if facts.oom_kills is None:
        return f"{error}; memory may have run out{_use(facts)}" if killed and facts.reported else error
    if not facts.oom_kills or crashed or not (killed or facts.ran_alone):
        return error
    return f"{error}; while it ran, the kernel killed a process because memory ran out{_use(facts)}"


def _use(facts: AttemptFacts) -> str:
    """Return the limit and the peak use of memory in brackets, as far as they are known."""
    limit = f"limit {facts.memory_limit_mb} MB" if facts.memory_limit_mb else None
    used = f"the job used up to {facts.max_rss_kb // 1024} MB" if facts.max_rss_kb else None
    known = ", ".join(filter(None, (limit, used)))
    return f" ({known})" if known else ""
