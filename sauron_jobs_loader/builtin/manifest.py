"""Register the builtin jobs. Their schedules are UTC; settings decide whether they are enabled."""

from sauron_jobs_loader.registry import job_registry

from .definitions import JOBS

for job in JOBS:
    job_registry.register(job)
