"""What a request for a run is checked by and made into: the job it names, its params, its row."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.clock import iso
from chalicelib.errors import ParamsError, RemovedJobError, UnknownJobError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Origin, RunId, RunState, new_run_id
from chalicelib.store import bundle, registry
from chalicelib.store.database import Tx

CLOSE_AMONG = 5000  # ids looked at for a likely one


def find_job(tx: Tx, job_id: str) -> Job:
    """Return a job that is in force, on or off.

    Raises UnknownJobError with the nearest ids, RemovedJobError for a job that has left.
    """
    job = registry.job(tx, job_id)
    if job is not None and job.removed_at is not None:
        raise RemovedJobError(job_id, iso(job.removed_at), bundle.activated_at(tx, job.removed_at))
    if job is None:
        known = registry.ids(tx, most=CLOSE_AMONG)
        raise UnknownJobError(job_id, difflib.get_close_matches(job_id, known, n=2))
    return job


def check_params(job: Job, params: Mapping[str, Any] | None) -> None:
    """Raise ParamsError, one line a fault, if params do not fit the job's schema."""
    if job.spec.params_schema is None:
        return
    faults = sorted(
        job.spec.params_faults(dict(params or {})), key=lambda fault: list(map(str, fault.absolute_path))
    )
    if faults:
        lines = [
            f"{'/'.join(str(part) for part in fault.absolute_path) or 'params'}: {fault.message}"
            for fault in faults
        ]
        raise ParamsError(job.id, lines)


def new_row(
    job_id: str,
    now: datetime,
    *,
    origin: Origin,
    max_attempts: int,
    params: Mapping[str, Any] | None,
    by: str | None,
    reason: str | None,
) -> dict[str, Any]:
    """Return the columns of a new run that is due now."""
    return {
        "id": RunId(new_run_id()),
        "job_id": job_id,
        "state": RunState.QUEUED,
        "origin": origin,
        "due_at": now,
        "max_attempts": max_attempts,
        "params": dict(params) if params else None,
        "requested_by": by,
        "reason": reason,
        "created_at": now,
    }
