"""The jobs of this bundle. Sauron reads this file after every change of the repository; see README.md."""

from sauron_jobs_loader import JobConfig, job_registry

JOBS: list[JobConfig] = [
    # JobConfig(id="disk-report", cron="0 7 * * mon-fri", command=["df", "-h"], secrets=[]),
]
for job in JOBS:
    job_registry.register(job)
