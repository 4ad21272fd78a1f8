"""Register the builtin jobs. Their schedules are UTC; settings decide whether they are enabled."""

from sauron_jobs_loader.builtin.definitions import JOBS  # a manifest is run, so it is in no package
from sauron_jobs_loader.registry import job_registry

for job in JOBS:
    job_registry.register(job)
