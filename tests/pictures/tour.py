"""The pictures of docs/tour.md, from a real Sauron with the example bundle: a job breaks and is mended."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import Visitor
from tests.e2e.outside import Served, command, start

JOB = "disk-report"
WIDTH = 1080
WELL, BROKEN, MENDED = 'command=["df", "-h"],', '"df", "-h", "/mnt/backup"', '"df", "-h", "/srv"'


def take(browser: Browser, shot: Callable[[Page, str, int], None]) -> None:
    """Walk through the tour; `shot` keeps a picture of a page by name and height in pixels."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bundle = home / ".sauron" / "bundle"  # where `make run` writes it
        (home / ".gitconfig").write_text("[user]\nname = ops\nemail = ops@localhost\n", "utf-8")
        command(home, "init", ".sauron/bundle", HOME=folder)
        server = start(home, JOBS_GIT_REPO_URL="./.sauron/bundle").until_synced()
        visitor = Visitor(browser, server.url)
        try:
            _walk(visitor(f"/ui/jobs/{JOB}", width=WIDTH, script=False), server, bundle, shot)
        finally:
            visitor.forget()
            server.close()


def _walk(page: Page, server: Served, bundle: Path, shot: Callable[[Page, str, int], None]) -> None:
    _run(page, server)
    page.goto(server.url)
    shot(page, "well", 620)

    broken = f"command=[{BROKEN}], max_attempts=1,"
    _change(bundle, WELL, broken, "The disk report covers the backup disk")
    _sync(page, server)
    _run(page, server)
    page.goto(server.url)
    shot(page, "failing", 620)
    page.locator(".needs").get_by_role("link", name=JOB, exact=True).click()
    shot(page, "cause", 620)
    page.get_by_role("link", name="failed").first.click()
    shot(page, "log", 760)

    _open(page, server)
    now = datetime.now(UTC)
    monday = datetime.combine(now.date() + timedelta(days=7 - now.weekday()), time(8))
    page.get_by_label("Reason").last.fill("The backup disk is fitted on Monday")
    page.get_by_label("Until").last.fill(monday.isoformat(timespec="minutes"))
    _press(page, "Switch off")
    if page.locator("input[name=confirm]").count():
        shot(page, "silence", 560)
        page.locator("main button.main").click()
    page.goto(server.url)
    shot(page, "silent", 620)

    _change(bundle, BROKEN, MENDED, "The backup disk is mounted at /srv")
    _sync(page, server)
    _open(page, server)
    _press(page, "Switch on")
    if page.locator("input[name=confirm]").count():
        page.locator("main button.main").click()
    _run(page, server)
    shot(page, "mended", 900)
    page.goto(f"{server.url}/ui/bundle")
    shot(page, "bundle", 820)
    page.goto(server.url)
    shot(page, "green", 620)


def _open(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs/{JOB}")


def _press(page: Page, words: str) -> None:
    page.locator("section").get_by_role("button", name=words).last.click()


def _run(page: Page, server: Served) -> None:
    """Run the job from its page and return there once the run is over."""
    _open(page, server)
    page.get_by_role("button", name="Run now").first.click()
    run = server.http.get("/runs", params={"job_id": JOB, "limit": 1}).json()["runs"][0]
    server.ended(run["id"])
    _open(page, server)


def _sync(page: Page, server: Served) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Sync now").click()


def _change(bundle: Path, old: str, new: str, subject: str) -> None:
    manifest = bundle / "manifest.py"
    text = manifest.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"the example bundle has no {old}"
    manifest.write_text(text.replace(old, new), encoding="utf-8")
    author = ("-c", "user.name=ops", "-c", "user.email=ops@localhost")
    subprocess.run(["git", *author, "commit", "--quiet", "--all", "-m", subject], cwd=bundle, check=True)
