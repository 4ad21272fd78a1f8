"""A bundle as it was written for the earlier system: nothing in it knows of this one."""

from jobs.backup import run as backup
from jobs.digest import run as digest
from jobs.health import run as health
from zerg.jobs import JobConfig, job_registry

job_registry.register(
    JobConfig("backup", "0 3 * * *", backup, timeout_seconds=1800, tags=["backup"], project="infra")
)
job_registry.register(
    JobConfig(
        id="digest",
        cron="0 8 * * *",
        func=digest,
        secrets=[
            "DIGEST_EMAIL",
            {"key": "API_TOKEN", "label": "API token", "type": "password", "placeholder": "sk-..."},
        ],
        queue_mode=True,
        max_attempts=2,
        description="Mails yesterday's numbers",
    )
)
job_registry.register(
    JobConfig(id="health", cron="*/5 * * * *", func=health, enabled=False, jitter_minutes=1)
)
