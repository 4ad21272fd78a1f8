"""The jobs of this bundle. Sauron reads this file after every change of the repository; see README.md."""

from jobs import disk, website

from sauron_jobs_loader import JobConfig, job_registry

job_registry.register(
    JobConfig(
        id="website",
        cron="*/5 * * * *",
        func=website.check,
        params=website.Params,
        timeout_seconds=120,
        max_attempts=1,
        alert_after=2,
        secrets=[],
        tags=["health"],
        description="Whether the website answers, and how fast; tells after two failures in a row",
    )
)
job_registry.register(
    JobConfig(
        id="disk",
        cron="*/10 * * * *",
        func=disk.check,
        params=disk.Params,
        timeout_seconds=30,
        max_attempts=1,
        secrets=[],
        tags=["health"],
        description="How full the disk is; degraded above a limit",
    )
)
