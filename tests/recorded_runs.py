"""Runs of the past, put into a store as the ledger would hold them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from chalicelib.model.runs import UNFINISHED, RunState
from chalicelib.store import Store
from chalicelib.store.schema import job_queue

_DID_NOT_START = {RunState.QUEUED, RunState.SKIPPED, RunState.MISSED}


def run_id(at: datetime, number: int = 0) -> str:
    """Return an id that sorts as one made at this instant would."""
    text = f"{round(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def record(
    store: Store, job_id: str, state: RunState, at: datetime, *, seconds: float = 10, **others: Any
) -> str:
    """Put a run for an instant into the store: it began at once and took so many seconds."""
    started = None if state in _DID_NOT_START else at
    values = {
        "id": run_id(at, abs(hash(job_id)) % 2**40),
        "job_id": job_id,
        "state": state,
        "origin": "schedule",
        "fire_at": at,
        "due_at": at,
        "max_attempts": 3,
        "attempt": 0 if started is None else 1,
        "created_at": at,
        "started_at": started,
        "finished_at": None if state in UNFINISHED else at + timedelta(seconds=seconds if started else 0),
        "lease_owner": "runner-1" if state == RunState.RUNNING else None,
        **others,
    }
    with store.write() as tx:
        tx.execute(insert(job_queue).values(values))
    return str(values["id"])
