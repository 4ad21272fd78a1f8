"""Take the pictures of the documentation: the pages of one made-up night, by a real browser.

The pages are rendered by the application itself at a fixed instant, so that a picture changes only when a
page does. Needs Debian's Chromium.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.wiring import PROCESS, RUNNER, build
from sauron.cli.local_client import client
from tests.conftest import ManualClock

from . import night

DOCS = Path(__file__).parents[2] / "docs"
DARK, LIGHT = "@media (prefers-color-scheme: dark)", "@media all"
# name: path, width, height, dark
PICTURES = {
    "overview": ("/", 1280, 1420, False),
    "overview-dark": ("/", 1280, 1420, True),
    "jobs": ("/ui/jobs", 1280, 900, False),
    "job": ("/ui/jobs/offsite-backup", 1280, 1240, False),
    "run": ("/ui/runs/{running}", 1280, 900, False),
}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--log-level=3",
)


def main() -> int:
    """Write `docs/page-*.png`."""
    socket.gethostname = lambda: "vault-1"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        clock = ManualClock(night.NOW)
        environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{home}/store.sqlite3", "JOBS_DIR": f"{home}/jobs"}
        sauron = build(Settings.read(environ), runtime=RUNNER, clock=clock)
        night.fill(sauron.store)
        PROCESS.set(sauron)
        asked = client(sauron, by="laptop")
        running = asked.get("/runs", params={"job_id": "db-dump-main", "state": "running"}).json()
        for name, (path, width, height, dark) in PICTURES.items():
            page = asked.get(path.format(running=running["runs"][0]["id"])).raise_for_status().text
            file = home / "page.html"
            file.write_text(page.replace(DARK, LIGHT) if dark else page, encoding="utf-8")
            size = f"--window-size={width},{height}"
            shot = f"--screenshot={DOCS / f'page-{name}.png'}"
            profile = f"--user-data-dir={home / 'profile'}"
            subprocess.run(["chromium", *FLAGS, profile, size, shot, file.as_uri()], check=True, timeout=60)
        asked.close()
        sauron.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
