"""The small durable key-value store that each job has."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from .database import Tx
from .dialect import upsert
from .schema import job_state

_c = job_state.c


def get(tx: Tx, job_id: str, key: str) -> Any:
    """Return the stored JSON value. Raises KeyError if the job has no such key."""
    found = tx.execute(select(_c.value).where(_c.job_id == job_id, _c.key == key)).scalar()
    if found is None:
        raise KeyError(key)
    return json.loads(found)


def put(tx: Tx, job_id: str, key: str, value: Any, *, now: datetime) -> None:
    """Store a JSON value under a key."""
    values = {"value": json.dumps(value), "updated_at": now}
    upsert(tx, job_state, {"job_id": job_id, "key": key}, values)


def remove(tx: Tx, job_id: str, key: str) -> None:
    """Forget a key. Raises KeyError if the job has no such key."""
    if tx.execute(delete(job_state).where(_c.job_id == job_id, _c.key == key)).rowcount == 0:
        raise KeyError(key)


def keys(tx: Tx, job_id: str) -> list[str]:
    """Return a job's keys in order."""
    return list(tx.execute(select(_c.key).where(_c.job_id == job_id).order_by(_c.key)).scalars())


def rename(tx: Tx, old: str, new: str) -> None:
    """Give a renamed job the state of its former id."""
    tx.execute(update(job_state).where(_c.job_id == old).values(job_id=new))
