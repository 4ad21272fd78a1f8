"""`zerg.jobs.registry`, as older bundles import it."""

from sauron_jobs_loader.registry import JobConfig, JobRegistry, job_registry

__all__ = ["JobConfig", "JobRegistry", "job_registry"]
