"""What an attempt's end means: the one place that turns exit codes, signals and return values into an outcome.

A result is believed only if the job's function returned it over the private channel. No result, a crash or a
kill is failure, never success; `sys.exit(0)` is success.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Protocol

from chalicelib.model.runs import Outcome, Verdict

DEGRADED = frozenset({"degraded", "partial", "partial_failure", "warning"})
FAILED = frozenset({"error", "failure", "failed", "dead"})
TIMED_OUT = frozenset({"timeout"})


class Ending(Protocol):
    """What is known of an attempt that is over."""

    @property
    def exit_code(self) -> int | None:
        """The job process's exit code, None if a signal ended it."""

    @property
    def signal(self) -> int | None:
        """The signal that ended it."""

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The result frame: {ok, value} or {ok, error, error_type}."""

    @property
    def timed_out(self) -> bool:
        """Whether the timeout ended it."""

    @property
    def stopped(self) -> str | None:
        """The reason given when it was stopped on purpose."""

    @property
    def crash(self) -> str | None:
        """In words, how it ended without a result."""

    @property
    def max_rss_kb(self) -> int | None:
        """Peak memory."""

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time."""


def judge(ending: Ending, *, timeout: timedelta, interrupted: Collection[str]) -> Verdict:
    """Turn an attempt's end into its verdict; `interrupted` are the stop reasons that are no doing of the job's or a person's."""
    outcome, error, error_type, result = _judge(ending, timeout, interrupted)
    return Verdict(
        outcome,
        error,
        error_type,
        result,
        exit_code=ending.exit_code,
        signal=ending.signal,
        max_rss_kb=ending.max_rss_kb,
        cpu_seconds=ending.cpu_seconds,
    )


def _judge(
    ending: Ending, timeout: timedelta, interrupted: Collection[str]
) -> tuple[Outcome, str | None, str | None, Any]:
    if ending.stopped is not None:
        if ending.stopped in interrupted:
            return Outcome.INTERRUPTED, ending.stopped, "interrupted", None
        return Outcome.CANCELLED, ending.stopped, "cancelled", None
    if ending.timed_out:
        return Outcome.TIMED_OUT, f"timed out after {timeout.total_seconds():g} s", "timeout", None
    if ending.crash is not None:
        return Outcome.FAILED, ending.crash, "crashed", None
    frame = ending.result or {}
    if not frame.get("ok"):
        return (
            Outcome.FAILED,
            str(frame.get("error") or "failed"),
            str(frame.get("error_type") or "error"),
            None,
        )
    return _of_value(frame.get("value"))


def _of_value(value: Any) -> tuple[Outcome, str | None, str | None, Any]:
    """Read a returned dict's `status`, `error`, `error_message` and `error_type`; anything else that returns is success."""
    if not isinstance(value, dict):
        return Outcome.SUCCEEDED, None, None, value
    status = value.get("status")
    word = status.strip().lower() if isinstance(status, str) else ""
    told = value.get("error_message") or value.get("error")
    error = str(told) if told else None
    error_type = str(value["error_type"]) if value.get("error_type") else None
    if word in DEGRADED:
        return Outcome.DEGRADED, error, error_type, value
    if word in FAILED:
        return Outcome.FAILED, error or f"the job returned status {status!r}", error_type, value
    if word in TIMED_OUT:
        return Outcome.TIMED_OUT, error or "the job says that it timed out", error_type or "timeout", value
    return Outcome.SUCCEEDED, None, None, value
