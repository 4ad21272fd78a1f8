from jobs import certificates, digest, disk, dns, scraper, websites

from sauron_jobs_loader import JobConfig, job_registry

PG_BACKUP = ["bin/pg-backup.sh", "shop", "/srv/backup"]
NAS = ["rsync", "-a", "--delete", "/srv/photos/", "nas:/backup/photos/"]
PRUNE = ["docker", "system", "prune", "--force", "--filter", "until=168h"]
ROTATE = ["logrotate", "--state", "/srv/state/logrotate", "/srv/etc/logrotate.conf"]
MIRROR = ["git", "-C", "/srv/mirror/shop.git", "remote", "update", "--prune"]

JOBS = [
    JobConfig(id="pg-backup", cron="30 2 * * *", command=PG_BACKUP, secrets=["PGPASSWORD"]),
    JobConfig(id="digest", cron="0 7 * * 1", func=digest.run),
    JobConfig(id="websites", cron="*/5 * * * *", func=websites.run, max_attempts=1, alert_after=2),
    JobConfig(id="certificates", cron="15 6 * * *", func=certificates.run),
    JobConfig(id="disk", cron="*/30 * * * *", func=disk.run, max_attempts=1),
    JobConfig(id="nas", cron="0 3 * * *", command=NAS, timeout_seconds=7200),
    JobConfig(id="scraper", cron="@hourly", func=scraper.run),
    JobConfig(id="docker-prune", cron="0 4 * * 0", command=PRUNE),
    JobConfig(id="logs", cron="@daily", command=ROTATE),
    JobConfig(id="dns", cron="*/10 * * * *", func=dns.run),
    JobConfig(id="git-mirror", cron="20 * * * *", command=MIRROR, overlap="skip"),
]
for job in JOBS:
    job_registry.register(job)
