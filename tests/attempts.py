"""Facts about attempts that never ran: what the suites hand to the code that judges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sauron_jobs_loader.launch.facts import AttemptFacts

_RETURNED = AttemptFacts(
    reported=True,
    exit_code=0,
    signal=None,
    result=None,
    became_command=False,
    timed_out=False,
    stop_reason=None,
    stopped=False,
    leftovers=0,
    max_rss_kb=None,
    cpu_seconds=None,
    oom_kills=0,
    memory_limit_mb=None,
    ran_alone=True,
)


def attempt_facts(**changes: Any) -> AttemptFacts:
    """The facts about a process that ended with exit code 0 and sent no result, but for the changes."""
    return replace(_RETURNED, **changes)
