"""The ops jobs of a small team: backup freshness, disk space, a digest, a report, a long copy."""

from jobs import backup_freshness, digest, disk_health, leak, long_copy, report

from sauron_jobs_loader import JobConfig, job_registry

MAIL = [
    {"key": name, "required": False}
    for name in (
        "AWS_SES_ACCESS_KEY_ID",
        "AWS_SES_SECRET_ACCESS_KEY",
        "AWS_SES_REGION",
        "AWS_ENDPOINT_URL",
        "FROM_EMAIL",
        "ALERT_EMAIL",
    )
]

job_registry.register(
    JobConfig(
        id="backup-freshness",
        cron="*/30 * * * *",
        func=backup_freshness.run,
        timeout_seconds=60,
        max_attempts=2,
        tags=["backup"],
        project="ops",
        description="Mails when the newest backup on the backup host turns stale, and when it is fresh again",
    )
)
job_registry.register(
    JobConfig(
        id="disk-health",
        cron="*/10 * * * *",
        func=disk_health.run,
        tags=["disk"],
        params={"type": "object", "properties": {"folder": {"type": "string", "default": "uploads"}}},
        description="Mails only when there are more stuck uploads than last time",
    )
)
job_registry.register(
    JobConfig(id="morning-digest", cron="0 6 * * 1-5", func=digest.run, timezone="Europe/Berlin")
)
job_registry.register(
    JobConfig(id="report", cron="@daily", func=report.run, description="Needs a package of its own")
)
job_registry.register(
    JobConfig(id="long-copy", cron="@weekly", func=long_copy.run, timeout_seconds=120, max_attempts=1)
)
job_registry.register(
    JobConfig(
        id="leak", cron="@monthly", func=leak.run, secrets=["OPS_TOKEN", *MAIL], max_attempts=1, alert_after=1
    )
)
