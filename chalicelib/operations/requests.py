"""What a request for a run or a switch is checked by and made into: the job it names, its params, its row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.clock import iso
from chalicelib.errors import JobDisabledError, ParamsError, RemovedJobError, UnknownJobError, UntilError
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.params import faults
from chalicelib.model.runs import Origin, Run, RunId, RunState, new_run_id
from chalicelib.store import Store, bundle, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import chains


def find_job(tx: Tx, job_id: str) -> Job:
    """Return a job that is in force, on or off.

    Raises UnknownJobError with the nearest ids, RemovedJobError for a job that has left.
    """
    job = registry.job(tx, job_id)
    if job is not None and job.removed_at is not None:
        raise RemovedJobError(job_id, iso(job.removed_at), bundle.activated_at(tx, job.removed_at))
    if job is None:
        raise UnknownJobError(job_id, registry.nearest(tx, job_id))
    return job


def finder(store: Store) -> Callable[[str], Job]:
    """Return what finds the jobs of a store, as `find_job`."""

    def find(job_id: str) -> Job:
        with store.read() as tx:
            return find_job(tx, job_id)

    return find


AskModel = Callable[[Job, Mapping[str, Any]], list[str] | None]
"""Returns what the model of a job's bundle says of params, one line a fault; None if it cannot be asked."""


def no_model(_job: Job, _params: Mapping[str, Any]) -> list[str] | None:
    """Stand for a bundle that cannot be asked."""
    return None


def check_params(job: Job, params: Mapping[str, Any] | None, *, ask_model: AskModel = no_model) -> None:
    """Raise ParamsError, one line a fault, if a run of the job would refuse params or not know them.

    A pydantic model is asked itself; its schema decides only where its bundle cannot be asked.
    """
    schema = job.spec.params_schema
    if schema is None:
        return
    found = ask_model(job, params or {}) if job.spec.params_of_model else None
    if found is None:
        found = faults(schema, params, of_model=job.spec.params_of_model)
    if found:
        raise ParamsError(job.id, found)


def new_row(
    spec: JobSpec,
    now: datetime,
    *,
    origin: Origin,
    params: Mapping[str, Any] | None,
    by: str | None,
    reason: str | None,
) -> dict[str, Any]:
    """Return the columns of a new run that is due now."""
    return {
        "id": RunId(new_run_id()),
        "job_id": spec.id,
        "state": RunState.QUEUED,
        "origin": origin,
        "due_at": now,
        "max_attempts": spec.max_attempts,
        "pool": spec.pool,
        "priority": spec.priority,
        "params": dict(params) if params else None,
        "requested_by": by,
        "reason": reason,
        "created_at": now,
    }


def not_followed(store: Store, run: Run) -> str:
    """Return a sentence about the jobs that follow a run's job and are not asked for after it, or nothing."""
    with store.read() as tx:
        following = [registry.as_it_is(tx, child) for child in chains.children(tx, run.job_id)]
    several = [job.id for job in following if job is not None and len(job.spec.after) > 1]
    if not several or not run.flows:
        return ""
    return f" It does not lead on to {', '.join(several)}: more than one job must end well before that."


def require_on(job: Job) -> None:
    """Raise JobDisabledError with the reason if nothing of a job starts now."""
    if job.rejected is not None:
        why = f"its definition was rejected: {job.rejected}"
        raise JobDisabledError(job.id, why, mend="Mend the definition in the bundle and sync.")
    if not job.enabled:
        raise JobDisabledError(job.id, _why_off(job))


def _why_off(job: Job) -> str:
    if job.override is None:
        return "enabled=False in the bundle"
    parts = ["switched off", f"by {job.override.by}" if job.override.by else "", job.override.reason or ""]
    return ", ".join(part for part in parts if part)


def check_until(until: datetime | None, now: datetime) -> None:
    """Raise UntilError for an end that is past."""
    if until is not None and until <= now:
        raise UntilError(iso(until), iso(now))
