"""The jobs of this bundle. Sauron reads this file after every change of the repository; see README.md."""

from jobs.disk import PARAMS, check_disk
from jobs.machine import check_machine
from jobs.tidy import tidy_downloads

from sauron_jobs_loader import JobConfig, job_registry

job_registry.register(
    JobConfig(
        id="disk-space",
        cron="*/10 * * * *",
        func=check_disk,
        params=PARAMS,
        timeout_seconds=30,
        tags=["health"],
        secrets=[],
        description="How full the disk is; degraded above a limit",
    )
)
job_registry.register(
    JobConfig(
        id="machine-load",
        cron="*/5 * * * *",
        func=check_machine,
        timeout_seconds=30,
        tags=["health"],
        secrets=[],
        description="Load and memory of this machine; degraded when either is short",
    )
)
job_registry.register(
    JobConfig(
        id="disk-report",
        cron="0 7 * * mon-fri",
        command=["df", "-h"],
        timezone="UTC",
        tags=["report"],
        secrets=[],
        description="A table of all file systems, in the run's log",
    )
)
job_registry.register(
    JobConfig(
        id="tidy-downloads",
        cron="30 3 * * sun",
        func=tidy_downloads,
        enabled=False,
        tags=["cleanup"],
        secrets=[],
        description="Deletes old files; off until you choose its folder in jobs/tidy.py and enable it here",
    )
)
