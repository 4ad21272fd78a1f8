"""`zerg.jobs.context`, as older bundles import it."""

from sauron_jobs_loader.context import JobContext

__all__ = ["JobContext"]
