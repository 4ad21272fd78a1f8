"""Runs of the past, put into a store as the ledger would hold them."""

from __future__ import annotations

from collections.abc import Sequence
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


def row(job_id: str, state: RunState, at: datetime, *, seconds: float = 10, **others: Any) -> dict[str, Any]:
    """Return the values of a run for an instant: it began at once and took so many seconds."""
    started = None if state in _DID_NOT_START else at
    return {
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


def record(
    store: Store, job_id: str, state: RunState, at: datetime, *, seconds: float = 10, **others: Any
) -> str:
    """Put a run into the store, as `row` describes it, and return its id."""
    values = row(job_id, state, at, seconds=seconds, **others)
    record_all(store, [values])
    return str(values["id"])


def record_all(store: Store, rows: Sequence[dict[str, Any]]) -> None:
    """Put many runs into the store at once: one by one, a thousand take seconds."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for values in rows:
        alike.setdefault(tuple(sorted(values)), []).append(values)
    with store.write() as tx:
        for some in alike.values():
            tx.execute(insert(job_queue), some)
