"""What Sauron's own sentences say to do next, in the words of the tools.

The sentences are written for people at a terminal and name commands. An assistant has tools instead, so in
the text that it reads each command that has a tool is named as that tool. A command without one stays: a
person is needed for it. The data beside the text is what every other door answers, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

OWN_WORDS = frozenset({"sentence", "problems", "message", "last_error", "cure", "error"})
_ID = r"([^\s`]+)"
_COMMANDS: tuple[tuple[str, str], ...] = (
    (rf"run {_ID}", "trigger with job_id={}"),
    (rf"enable {_ID}", "set_enabled with job_id={} and enabled=true"),
    (rf"disable {_ID}", "set_enabled with job_id={} and enabled=false"),
    (rf"why {_ID}", "why with job_id={}"),
    (rf"logs (?:-f )?{_ID}", "run_log with run_id={}"),
    (rf"cancel {_ID}", "cancel with run_id={}"),
    (rf"retry {_ID}", "retry with run_id={}"),
    (rf"runs --job {_ID}", "runs with job_id={}"),
    (rf"rollback {_ID}", "rollback with sha={}"),
    (r"runs", "runs"),
    (r"list", "find_jobs"),
    (r"status", "overview"),
    (r"sync", "sync"),
    (r"unpause", "pause with enabled=false"),
)
_TABLE = [(re.compile(rf"`sauron {command}`"), tool) for command, tool in _COMMANDS]


def in_tools(text: str) -> str:
    """Return a sentence that names tools where it named commands."""
    for command, tool in _TABLE:
        text = command.sub(_naming(tool), text)
    return text


def facts_in_tools(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts whose own words name tools; what jobs and people wrote stays as it is."""
    return {name: _worded(value) if name in OWN_WORDS else value for name, value in facts.items()}


def _worded(value: Any) -> Any:
    if isinstance(value, str):
        return in_tools(value)
    return [_worded(one) for one in value] if isinstance(value, list) else value


def _naming(tool: str) -> Callable[[re.Match[str]], str]:
    return lambda found: f"`{tool.format(*found.groups())}`"
