"""The overlap policies by the model: what an occurrence does while its job is busy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.ledger import Run


def may_not_start(run: Run, runs: Mapping[str, Run], now: dt.datetime) -> str | None:
    """Say why policy forbids that a due occurrence starts, or None."""
    if not _on_time(run) or run.attempt or run.force:
        return None
    policy = run.job.fields["overlap"]
    if policy == "skip" and (busy := _busy_when_due(run, runs)):
        return f"run {busy} was not over when it was due"
    if policy == "replace" and (newer := _newer(run, runs, now)):
        return f"run {newer} replaces it"
    return None


def was_busy(run: Run, runs: Mapping[str, Run], reason: str, now: dt.datetime) -> bool:
    """Say whether a skip by this reason is right."""
    policy = run.job.fields["overlap"]
    if not _on_time(run) or run.force:
        return False
    if "replaced by" in reason:
        return policy == "replace" and _newer(run, runs, now) is not None
    return policy == "skip" and _busy_when_due(run, runs) is not None


def _on_time(run: Run) -> bool:
    """Say whether policy is about a run: an occurrence, or what follows one. Others wait as triggers do."""
    return run.scheduled and run.origin != "catchup"


def _busy_when_due(run: Run, runs: Mapping[str, Run]) -> str | None:
    for other in (runs[one] for one in run.job.recent if one in runs):
        if (
            other is not run
            and other.state not in {"skipped", "missed"}
            and (other.finished_at is None or other.finished_at > run.due_at)
            and (other.error_type != "interrupted" or other.state == "running")
            and (other.due_at, other.id) < (run.due_at, run.id)
        ):
            return other.id
    return None


def _newer(run: Run, runs: Mapping[str, Run], now: dt.datetime) -> str | None:
    for other in (runs[one] for one in run.job.unfinished):
        if (
            other.state == "queued"
            and _on_time(other)
            and not other.attempt
            and run.due_at < other.due_at <= now
        ):
            return other.id
    return None
