"""The facts about an attempt that is over. The application judges what they mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .oom_watch import OomWatch


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """The facts: the supervisor's report, the job's frames, and the runner's own orders.

    `reported` is false if the supervisor was killed before it could report; then nothing is known of the
    job's process. `exit_code` and `signal` are the job process's. `result` is its result frame: `ok`, then
    `value` or `error` and `error_type`. `became_command`: the job's process was replaced by a command.
    `stop_reason` was given with an order to stop; `stopped` says that the supervisor carried the order out.
    `leftovers` counts processes that had to be killed after the job's own had ended. `cpu_seconds` and
    `max_rss_kb` (peak memory) include the children that the job waited for.
    `oom_kills` counts the processes of the runner's cgroup that the kernel killed for want of memory while
    the attempt ran (None: not known), `memory_limit_mb` is the limit then, and `ran_alone` says that no
    other attempt of this runner ran meanwhile. `excess` is the limit of its own that the tree went over: the
    type of the error and the error.
    """

    reported: bool
    exit_code: int | None
    signal: int | None
    result: dict[str, Any] | None
    became_command: bool
    timed_out: bool
    stop_reason: str | None
    stopped: bool
    leftovers: int
    max_rss_kb: int | None
    cpu_seconds: float | None
    oom_kills: int | None
    memory_limit_mb: int | None
    ran_alone: bool
    excess: tuple[str, str] | None = None


def facts_of(
    report: dict[str, Any] | None,
    *,
    result: dict[str, Any] | None,
    became_command: bool,
    stop_reason: str | None,
    leftovers: int,
    oom: OomWatch,
    ran_alone: bool,
) -> AttemptFacts:
    """Collect the facts of an attempt from its supervisor's report (None: the supervisor was killed)."""
    known = report or {}
    status = known.get("status")
    return AttemptFacts(
        reported=report is not None,
        exit_code=os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
        result=result,
        became_command=became_command,
        timed_out=bool(known.get("timed_out")),
        stop_reason=stop_reason,
        stopped=bool(known.get("stopped")),
        leftovers=int(known.get("leftovers", leftovers)),
        max_rss_kb=known.get("max_rss_kb"),
        cpu_seconds=known.get("cpu_seconds"),
        oom_kills=(kills := oom.kills()),
        memory_limit_mb=oom.limit_mb() if kills else None,
        ran_alone=ran_alone,
        excess=(str(excess[0]), str(excess[1])) if (excess := known.get("excess")) else None,
    )
