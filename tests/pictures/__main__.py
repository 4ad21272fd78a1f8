"""Take the pictures of the documentation: the pages of one made-up night, a tour through a real Sauron, and a
real Prometheus that scrapes one.

The night is rendered at a fixed instant, so that a picture of it changes only when a page does; the others
have the time of their taking. Needs Debian's Chromium, and for the last its Prometheus.
`make pictures ARGS=tour` takes those of the tour alone.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import Visitor, chromium
from tests.browser.still import still

from . import scraped, tour

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 250_000
DESK, PHONE = 1280, 360
# name: path, height on a desk, height on a phone
PAGES = {
    "overview": ("/", 1340, 1500),
    "jobs": ("/ui/jobs", 900, 1100),
    "job": ("/ui/jobs/offsite-backup", 1240, 1400),
    "runs": ("/ui/runs?state=failed", 700, 900),
    "run": ("/ui/runs/{running}", 900, 1100),
    "failed-run": ("/ui/runs/{failed}", 800, 900),
    "audit": ("/ui/audit", 500, 600),
    "settings": ("/ui/settings", 900, 1100),
    "sign-in": ("/ui/sign-in", 480, 560),
}


def main() -> int:
    """Write `docs/page-*.png`, `tour-*` and `prometheus-*`, or only those that the arguments name."""
    wanted = sys.argv[1:] or ["page", "tour", "prometheus"]
    with chromium() as browser:
        if "page" in wanted:
            _night(browser)
        if "tour" in wanted:
            tour.take(browser, lambda page, name, height: _shot(page, f"tour-{name}", height))
        if "prometheus" in wanted:
            scraped.take(browser, lambda page, name, height: _shot(page, f"prometheus-{name}", height))
    return 0


def _night(browser: Browser) -> None:
    home = Path("/tmp/sauron-night")  # noqa: S108 - a page names it, and is to be the same each time
    home.mkdir(mode=0o700)  # fails where somebody else has it
    try:
        server = still(home, "tests.pictures.night")
        visitor = Visitor(browser, server.url)
        asked = {"running": ("db-dump-main", "running"), "failed": ("cert-renew", "failed")}
        runs = {
            name: server.http.get("/runs", params={"job_id": job, "state": state}).json()["runs"][0]["id"]
            for name, (job, state) in asked.items()
        }
        for name, (path, tall, taller) in PAGES.items():
            address = path.format(**runs)
            _shot(visitor(address, width=DESK, script=False), f"page-{name}", tall)
            _shot(visitor(address, width=DESK, script=False, scheme="dark"), f"page-{name}-dark", tall)
            _shot(visitor(address, width=PHONE, script=False, scheme="dark"), f"page-{name}-phone", taller)
        visitor.forget()
        server.close()
    finally:
        shutil.rmtree(home)


def _shot(page: Page, name: str, height: int) -> None:
    """Keep the upper part of a page as a picture."""
    width = page.evaluate("document.documentElement.clientWidth")
    page.set_viewport_size({"width": width, "height": height})
    file = DOCS / f"{name}.png"
    page.screenshot(path=file)
    if (size := file.stat().st_size) > MOST_BYTES:
        sys.exit(f"{file} has {size} bytes; show less of the page, at most {MOST_BYTES}")


if __name__ == "__main__":
    sys.exit(main())
