"""`zerg.jobs`, as older bundles import it."""

from sauron_jobs_loader import JobConfig, JobContext, job_registry
from sauron_jobs_loader.process.manifest import metadata as get_manifest_metadata

__all__ = ["JobConfig", "JobContext", "get_manifest_metadata", "job_registry"]
