"""How an attempt ended: the verdict on what its supervisor reported, what its job sent, and what was asked of it.

Nothing that a job does makes a success of a missing result: only a result frame, or a command's exit code 0,
is one.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    `exit_code` and `signal` are the job process's. `result` is its result frame (`ok`, `value` or `error`,
    `error_type`). `stopped` is the reason given to `stop`. `leftovers` counts processes that had to be killed
    after the job's own had ended. `crash` says in words why there is no result, when neither the time limit
    nor a stop explains it.
    """

    exit_code: int | None
    signal: int | None
    result: dict[str, Any] | None
    timed_out: bool
    stopped: str | None
    leftovers: int
    crash: str | None
    max_rss_kb: int | None
    cpu_seconds: float | None


def ending_of(
    report: dict[str, Any] | None,
    *,
    result: dict[str, Any] | None,
    became_command: bool,
    asked_to_stop: str | None,
    leftovers: int,
) -> Ending:
    """Judge an attempt by its supervisor's report (None: it was killed before it could report)."""
    known = report or {}
    status = known.get("status")
    code = os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None
    number = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None
    timed_out = bool(known.get("timed_out"))
    stopped = asked_to_stop if report is None or report["stopped"] else None
    if result is None and became_command and code is not None and not (timed_out or stopped):
        result = {"ok": True, "value": None} if code == 0 else _exit_failure(code)
    crash = None
    if result is None and not timed_out and not stopped:
        crash = _crash(code, number) if report else "its supervisor was killed"
    return Ending(
        exit_code=code,
        signal=number,
        result=result,
        timed_out=timed_out,
        stopped=stopped,
        leftovers=int(known.get("leftovers", leftovers)),
        crash=crash,
        max_rss_kb=known.get("max_rss_kb"),
        cpu_seconds=known.get("cpu_seconds"),
    )


def _exit_failure(code: int) -> dict[str, Any]:
    return {"ok": False, "error": f"the command ended with exit code {code}", "error_type": "ExitCode"}


def _crash(code: int | None, number: int | None) -> str:
    if number is not None:
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"ended without a result (exit code {code})"
