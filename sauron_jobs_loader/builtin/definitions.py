"""The definitions of the builtin jobs, as the manifest registers them and as the application records them."""

from sauron_jobs_loader.registry import JobConfig

from . import digest, duties

TAG = "builtin"
MAIL_SECRETS = [
    {"key": "AWS_SES_ACCESS_KEY_ID", "required": False},
    {"key": "AWS_SES_SECRET_ACCESS_KEY", "required": False},
    {"key": "SAURON_SMTP_URL", "required": False},
]

JOBS = (
    JobConfig(
        id="sauron.health",
        cron="*/15 * * * *",
        func=duties.health,
        description="Health monitor: problems of Sauron itself, and the size of queue, store and disk.",
        tags=[TAG],
        secrets=[],
        timeout_seconds=60,
        max_attempts=1,
        catchup="none",
        isolation="spawn",
    ),
    JobConfig(
        id="sauron.digest",
        cron="0 7 * * *",
        func=digest.run,
        description="Daily digest by mail to DIGEST_EMAIL: runs, failures, late and missed runs, due runs.",
        tags=[TAG],
        secrets=MAIL_SECRETS,
        timeout_seconds=120,
        isolation="spawn",
    ),
    JobConfig(
        id="sauron.retention",
        cron="23 * * * *",
        func=duties.retention,
        description="Retention: deletes runs, logs and alerts that are older or more than the settings keep.",
        tags=[TAG],
        secrets=[],
        timeout_seconds=1800,
        max_attempts=1,
        isolation="spawn",
    ),
    JobConfig(
        id="sauron.backup",
        cron="41 3 * * *",
        func=duties.backup,
        description="Backup: a consistent copy of the SQLite store, the newest few kept.",
        tags=[TAG],
        secrets=[],
        timeout_seconds=1800,
        max_attempts=2,
        retry_backoff_seconds=600,
        isolation="spawn",
    ),
)
