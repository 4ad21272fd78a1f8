"""`zerg.jobs.registry`, as older bundles import it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict

from sauron_jobs_loader.registry import JobConfig, JobRegistry, job_registry

from .git_sync import register_all_jobs


class SecretField(TypedDict, total=False):
    """A secret that a job declares, with what is said about it."""

    key: Required[str]
    label: str
    type: str
    placeholder: str
    description: str
    required: bool


@dataclass
class JobRunResult:
    """How a job ended, as older bundles describe it. `status` is success, failure or timeout."""

    job_id: str
    status: str
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    result: dict[str, Any] | None = None
    error: str | None = None
    error_type: str | None = None


__all__ = [
    "JobConfig",
    "JobRegistry",
    "JobRunResult",
    "SecretField",
    "job_registry",
    "register_all_jobs",
]
