"""What a bundle author imports, and what loads a bundle and runs its jobs. It knows nothing of the application.

A bundle's `manifest.py` registers its jobs:

    from sauron_jobs_loader import JobConfig, job_registry
    from jobs.report import run

    job_registry.register(JobConfig(id="daily-report", cron="0 8 * * *", func=run))

and a job that wants to know more about its run takes one `JobContext`. The rest of this package is the
loader: where bundles come from (`source`, `revisions`) and the processes that load and run them (`launcher`,
`guard`, `zygote`, `supervisor`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import JobContext
    from .registry import JobConfig, job_registry

__all__ = ["JobConfig", "JobContext", "job_registry"]

_HOMES = {"JobConfig": "registry", "JobContext": "context", "job_registry": "registry"}


def __getattr__(name: str) -> Any:
    """Import what an author uses when it is used: the guard of a tree imports this package too, and needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
