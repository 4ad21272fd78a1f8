"""`zerg.jobs.git_sync`, as older bundles import it.

Syncing and scheduling were parts of the process that ran the jobs there. Here Sauron does them elsewhere: the
names can be imported, so that a manifest loads, and calling one says to remove the call.
"""

from typing import NoReturn


class GitSyncError(Exception):
    """What the earlier system raised when git failed. Nothing raises it here."""


def get_git_sync_service() -> None:
    """Return None, as there without a repository: no sync runs in the process of a job."""


def GitSyncService(*_values: object, **_named: object) -> NoReturn:  # noqa: N802 - the name of a class there
    """Raise NotImplementedError."""
    raise _part("GitSyncService")


def run_git_sync_loop(*_values: object, **_named: object) -> NoReturn:
    """Raise NotImplementedError."""
    raise _part("run_git_sync_loop")


def set_git_sync_service(*_values: object, **_named: object) -> NoReturn:
    """Raise NotImplementedError."""
    raise _part("set_git_sync_service")


def load_jobs_manifest(*_values: object, **_named: object) -> NoReturn:
    """Raise NotImplementedError."""
    raise _part("load_jobs_manifest")


def register_all_jobs(*_values: object, **_named: object) -> NoReturn:
    """Raise NotImplementedError."""
    raise _part("register_all_jobs")


def _part(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"{name}() was a part of the earlier system's scheduler. Sauron syncs the bundle and schedules its "
        "jobs by itself. Remove the call."
    )


__all__ = [
    "GitSyncError",
    "GitSyncService",
    "get_git_sync_service",
    "run_git_sync_loop",
    "set_git_sync_service",
]
