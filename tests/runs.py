"""Runs that no store holds: what the suites hand to the code that decides by values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.model.runs import JobId, Origin, Run, RunId, RunState

_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
_RUN = Run(
    id=RunId("run-1"),
    job_id=JobId("job"),
    state=RunState.RUNNING,
    origin=Origin.SCHEDULE,
    fire_at=_AT,
    due_at=_AT,
    gap_from=None,
    gap_count=0,
    revision="a" * 40,
    attempt=1,
    max_attempts=3,
    params=None,
    requested_by=None,
    reason=None,
    force=False,
    created_at=_AT,
    started_at=_AT,
    finished_at=None,
    error=None,
    error_type=None,
    result=None,
    progress=None,
    progress_note=None,
    cancel_reason=None,
    lease_owner="me",
    lease_generation=1,
    lease_beat=0,
)


def a_run(**changes: Any) -> Run:
    """A running run in its first of three attempts, but for the changes."""
    return replace(_RUN, **changes)
