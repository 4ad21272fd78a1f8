"""Which jobs cannot run because required secrets are not set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.model.jobs import JobSpec
from chalicelib.store import registry
from chalicelib.store.database import Tx


def missing_secrets(tx: Tx, missing: Callable[[JobSpec], list[str]]) -> list[dict[str, Any]]:
    """Return {job_id, missing} for each job that lacks required secrets; `missing` returns their names."""
    found = ((job.id, missing(job.spec)) for job in registry.with_secrets(tx))
    return [{"job_id": job_id, "missing": names} for job_id, names in found if names]
