"""Registers the builtin jobs. Their schedules are UTC; whether they are enabled is decided by the settings."""

from sauron_jobs_loader.registry import job_registry

from .definitions import JOBS

for job in JOBS:
    job_registry.register(job)
