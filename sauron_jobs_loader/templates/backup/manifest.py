"""The jobs of this bundle. Sauron reads this file after every change of the repository; see README.md."""

from jobs import backup

from sauron_jobs_loader import JobConfig, job_registry

job_registry.register(
    JobConfig(
        id="backup",
        cron="30 2 * * *",
        func=backup.make,
        params=backup.Params,
        timeout_seconds=3600,
        max_attempts=2,
        retry_backoff_seconds=600,
        jitter_minutes=10,
        secrets=[],
        tags=["backup"],
        description="Packs a folder into a dated archive and keeps the newest ones",
    )
)
job_registry.register(
    JobConfig(
        id="backup-check",
        cron="0 7 * * *",
        func=backup.check,
        params=backup.Params,
        secrets=[],
        tags=["backup"],
        description="Reads the newest archive to its end; fails if it is old or damaged",
    )
)
