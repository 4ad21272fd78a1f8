"""The package that bundle authors import, and that loads a bundle and runs its jobs.

A bundle's `manifest.py` registers its jobs:

    from sauron_jobs_loader import JobConfig, job_registry
    from jobs.report import run

    job_registry.register(JobConfig(id="daily-report", cron="0 8 * * *", func=run))

A job function that needs to know more about its run takes one `JobContext`; `toolkit` holds tools for jobs.
The rest of this package is the loader: where bundles come from (`git`), their packages (`environment`), and
the processes that load and run them (`launch`, `process`). It does not import the application.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import JobContext
    from .registry import JobConfig, job_registry

__all__ = ["JobConfig", "JobContext", "job_registry"]

_HOMES = {"JobConfig": "registry", "JobContext": "context", "job_registry": "registry"}


def __getattr__(name: str) -> Any:
    """Import a name at its first use: the guard of a process tree imports this package without them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
