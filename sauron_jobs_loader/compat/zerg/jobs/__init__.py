"""`zerg.jobs`, as older bundles import it."""

from sauron_jobs_loader import JobContext

from .git_sync import (
    GitSyncError,
    GitSyncService,
    get_git_sync_service,
    run_git_sync_loop,
    set_git_sync_service,
)
from .loader import get_manifest_metadata, load_jobs_manifest
from .registry import JobConfig, JobRegistry, job_registry, register_all_jobs

__all__ = [
    "GitSyncError",
    "GitSyncService",
    "JobConfig",
    "JobContext",
    "JobRegistry",
    "get_git_sync_service",
    "get_manifest_metadata",
    "job_registry",
    "load_jobs_manifest",
    "register_all_jobs",
    "run_git_sync_loop",
    "set_git_sync_service",
]
