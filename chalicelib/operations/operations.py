"""What a person or the assistant may do to jobs and runs: trigger, switch, cancel, retry.

Each is one transaction that is durable when the call returns: an acknowledged trigger is never lost.
Repeating a call is harmless where a key or a state says that it was done already.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.errors import (
    IdempotencyError,
    JobDisabledError,
    ParamsError,
    RunStateError,
    UnknownJobError,
    UnknownRunError,
    UntilError,
)
from chalicelib.model.jobs import Job, JobSpec, Override
from chalicelib.model.runs import FINAL, Origin, Run, RunId, RunState, new_run_id
from chalicelib.store import Store, history, ledger, outbox, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import finish

log = logs.get(__name__)

CLOSE_AMONG = 5000  # ids looked at for a likely one


def trigger(
    store: Store,
    clock: Clock,
    job_id: str,
    *,
    params: Mapping[str, Any] | None = None,
    reason: str | None = None,
    force: bool = False,
    idempotency_key: str | None = None,
    by: str | None = None,
) -> Run:
    """Queue a run of a job now and return it; the same idempotency key answers the run it made before.

    Raises UnknownJobError, JobDisabledError (also for a rejected definition), ParamsError, IdempotencyError.
    """
    asked = (dict(params) if params else None, force)
    with store.read() as tx:
        job = _job(tx, job_id)
        known = (
            history.by_idempotency_key(tx, job_id, idempotency_key) if idempotency_key is not None else None
        )
    if known is not None:
        return _same_request(known, asked, idempotency_key)
    if job.rejected is not None:
        why = f"its definition was rejected: {job.rejected}"
        raise JobDisabledError(job_id, why, mend="Mend the definition in the bundle and sync.")
    if not job.enabled:
        raise JobDisabledError(job_id, _why_off(job))
    check_params(job, params)
    now = clock.now()
    row = _row(
        job_id,
        now,
        origin=Origin.TRIGGER,
        max_attempts=job.spec.max_attempts,
        params=params,
        by=by,
        reason=reason,
    )
    row |= {"force": force, "idempotency_key": idempotency_key}
    with store.write() as tx:
        # somebody with the same key was faster
        if finish.put(tx, [row]) == 0 and idempotency_key is not None:
            known = history.by_idempotency_key(tx, job_id, idempotency_key)
        if known is not None:
            return _same_request(known, asked, idempotency_key)
        made = _run(tx, row["id"])
    log.info("run.requested", job_id=job_id, run_id=made.id, by=by)
    return made


def _same_request(known: Run, asked: tuple[dict[str, Any] | None, bool], key: str | None) -> Run:
    """Return the run that a key made before. Raises IdempotencyError if it was another request."""
    if (known.params or None, known.force) != asked:
        raise IdempotencyError(str(key))
    return known


def check_params(job: Job, params: Mapping[str, Any] | None) -> None:
    """Raise ParamsError, one line a fault, if params do not fit the job's schema."""
    if job.spec.params_schema is None:
        return
    faults = [
        f"{'/'.join(str(part) for part in fault.absolute_path) or 'params'}: {fault.message}"
        for fault in sorted(
            job.spec.params_faults(dict(params or {})), key=lambda fault: list(map(str, fault.absolute_path))
        )
    ]
    if faults:
        raise ParamsError(job.id, faults)


def switch(
    store: Store,
    clock: Clock,
    job_id: str,
    *,
    enabled: bool,
    reason: str | None = None,
    until: datetime | None = None,
    by: str | None = None,
) -> Job:
    """Turn a job on or off at once, over what git says, until `until` or the next switch. Raises UnknownJobError, UntilError."""
    with store.write() as tx:
        now = ledger.time_of_act(tx, clock)
        if until is not None and until <= now:
            raise UntilError(iso(until), iso(now))
        job = _job(tx, job_id)
        registry.set_override(tx, job_id, Override(enabled, reason, by, now, until))
        ledger.switch(tx, job, enabled=enabled, at=now, now=now)
        outbox.put_job(tx, job_id, now=now)
        job = _job(tx, job_id)
    log.info("job.switched", job_id=job_id, enabled=enabled, by=by, reason=reason, until=until and iso(until))
    return job


def cancel(store: Store, clock: Clock, run_id: str, *, by: str | None = None) -> Run:
    """End a queued run, or have a running one's process tree killed. Raises UnknownRunError, RunStateError."""
    why = f"cancelled by {by}" if by else "cancelled"
    with store.write() as tx:
        run = _run(tx, run_id)
        if finish.request_cancel(tx, run.id, why=why, now=clock.now()) is None:
            raise RunStateError(run_id, run.state, "cancelled")
        run = _run(tx, run_id)
    log.info("run.cancel_requested", job_id=run.job_id, run_id=run.id, by=by)
    return run


def retry(store: Store, clock: Clock, run_id: str, *, by: str | None = None) -> Run:
    """Queue a new run with the params of one that is over. Raises UnknownRunError, RunStateError, JobDisabledError."""
    with store.write() as tx:
        former = _run(tx, run_id)
        if former.state not in FINAL:
            raise RunStateError(run_id, former.state, "retried")
        job = _job(tx, former.job_id)
        if not job.enabled:
            raise JobDisabledError(job.id, _why_off(job))
        row = _row(
            job.id,
            clock.now(),
            origin=Origin.RETRY,
            max_attempts=job.spec.max_attempts,
            params=former.params,
            by=by,
            reason=f"retry of {former.id}",
        )
        finish.put(tx, [row])
        made = _run(tx, row["id"])
    log.info("run.requested", job_id=made.job_id, run_id=made.id, by=by, retry_of=former.id)
    return made


def direct_run(
    store: Store, clock: Clock, job_id: str, *, params: Mapping[str, Any] | None
) -> tuple[Run, JobSpec]:
    """Make a run that is in no store, for the foreground. Raises UnknownJobError, ParamsError."""
    with store.read() as tx:
        job = _job(tx, job_id)
    check_params(job, params)
    now = clock.now()
    row = _row(job_id, now, origin=Origin.TRIGGER, max_attempts=1, params=params, by=None, reason=None)
    blank: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Run))
    counts: dict[str, Any] = {
        "attempt": 1,
        "gap_count": 0,
        "lease_generation": 0,
        "lease_beat": 0,
        "force": False,
    }
    return Run(**(blank | row | counts | {"revision": job.revision, "started_at": now})), job.spec


def _job(tx: Tx, job_id: str) -> Job:
    job = registry.job(tx, job_id)
    if job is None or job.removed_at is not None:
        known = registry.ids(tx, most=CLOSE_AMONG)
        raise UnknownJobError(job_id, difflib.get_close_matches(job_id, known, n=2))
    return job


def _run(tx: Tx, run_id: str) -> Run:
    run = history.run(tx, run_id)
    if run is None:
        raise UnknownRunError(run_id)
    return run


def _why_off(job: Job) -> str:
    if job.override is None:
        return "enabled=False in the bundle"
    parts = ["switched off", f"by {job.override.by}" if job.override.by else "", job.override.reason or ""]
    return ", ".join(part for part in parts if part)


def _row(
    job_id: str,
    now: datetime,
    *,
    origin: Origin,
    max_attempts: int,
    params: Mapping[str, Any] | None,
    by: str | None,
    reason: str | None,
) -> dict[str, Any]:
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
