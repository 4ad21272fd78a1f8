"""The ops jobs of a small team, as they were written for the earlier Sauron."""

import os

from jobs import backups, digests, health, syncs
from zerg.jobs import JobConfig, job_registry
from zerg.jobs.registry import job_registry as same_registry

PROJECT = os.environ.get("OPS_PROJECT", "ops")

job_registry.register(
    JobConfig(
        id="backup-postgres",
        cron="0 2 * * *",
        func=backups.postgres,
        timeout_seconds=1800,
        tags=["backup"],
        project=PROJECT,
    )
)
job_registry.register(
    JobConfig(id="backup-freshness", cron="0 */6 * * *", func=backups.freshness, tags=["backup", "check"])
)
job_registry.register(
    JobConfig(
        id="daily-digest", cron="0 8 * * *", func=digests.daily, description="What happened since yesterday"
    )
)
job_registry.register(JobConfig(id="weekly-digest", cron="0 9 * * 1", func=digests.weekly, enabled=False))
job_registry.register(
    JobConfig(id="disk-health", cron="*/30 * * * *", func=health.disk, max_attempts=1, tags=["check"])
)
job_registry.register(
    JobConfig(id="cert-expiry", cron="15 7 * * *", func=health.certificates, tags=["check"])
)
job_registry.register(
    JobConfig(id="site-up", cron="*/5 * * * *", func=health.site, max_attempts=2, jitter_minutes=2)
)
job_registry.register(
    JobConfig(
        id="sync-contacts",
        cron="10 * * * *",
        func=syncs.contacts,
        secrets=[{"key": "CRM_TOKEN", "label": "CRM token", "description": "Read access", "required": False}],
    )
)
same_registry.register(JobConfig(id="sync-calendar", cron="40 * * * *", func=syncs.calendar, queue_mode=True))
job_registry.register(JobConfig(id="flaky-import", cron="0 4 * * *", func=syncs.flaky, max_attempts=1))
