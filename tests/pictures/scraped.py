"""The picture of docs/metrics.md: a real Prometheus that scrapes a real Sauron, in which one job fails."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import Visitor
from tests.e2e.outside import Repository, start, wait_for
from tests.prometheus_server import prometheus

TOKEN = "a-token-of-prometheus"
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry

for name, cron, code in (
    ("db-dump-main", "30 2 * * *", "print('58 tables')"),
    ("offsite-backup", "30 1 * * *", "raise SystemExit('nas-2 closed the connection')"),
    ("wal-ship", "* * * * *", "print('shipped')"),
):
    command = ["python3", "-c", code]
    job_registry.register(JobConfig(id=name, cron=cron, command=command, max_attempts=1))
"""


def take(browser: Browser, shot: Callable[[Page, str, int], None]) -> None:
    """Let a job fail and keep Prometheus's page of alerts once the rule fires."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        repository = Repository(home / "bundle")
        repository.commit({"manifest.py": MANIFEST})
        served = start(
            home / "sauron",
            JOBS_GIT_REPO_URL=str(repository.folder),
            SAURON_API_TOKENS=f"prometheus:operate:{TOKEN}",
        ).until_synced(Authorization=f"Bearer {TOKEN}")
        server = prometheus(home / "prometheus", served.url.removeprefix("http://"), TOKEN)
        visitor = Visitor(browser, server.url)
        try:
            wait_for(lambda: server.value("sauron_runners"), what="Sauron was scraped")
            for job in ("db-dump-main", "offsite-backup"):
                served.ended(served.trigger(job))
            wait_for(lambda: "SauronJobFails" in server.firing(), what="the rule fires")
            wait_for(lambda: server.value("ALERTS{alertname='SauronIncidentOpen'}"), what="it is pending")
            page = visitor("/classic/alerts", width=1280)
            page.get_by_role("button", name="Show annotations").click()
            page.locator("b", has_text="SauronJobFails").click()
            page.get_by_text("Job offsite-backup failed").first.wait_for()
            shot(page, "alerts", 1130)
        finally:
            visitor.forget()
            server.close()
            served.close()
