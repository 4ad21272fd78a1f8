"""Take the pictures of the documentation: the pages of one made-up night, a tour through a real Sauron, and a
real Prometheus that scrapes one.

The night is rendered at a fixed instant, so that a picture of it changes only when a page does; the others
have the time of their taking. Needs Debian's Chromium, and for the last its Prometheus.
`make pictures ARGS=tour` takes those of the tour alone.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import Visitor, chromium
from tests.browser.still import HOST, still
from tests.e2e.outside import Served

from . import scraped, tour
from .surroundings import ENVIRON, TOKEN

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 300_000
DESK, PHONE = 1280, 360
# A picture names no machine on which one was taken.
RENAME = """([own, shown]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(own, shown);
}"""
CHOSEN = ("crm-sync", "inventory-sync", "orders-export")
# name: path, height on a desk, height on a phone
PAGES = {
    "overview": ("/", 1440, 1700),
    "next": ("/ui/next", 1160, 1500),
    "jobs": ("/ui/jobs", 1280, 1300),
    "job": ("/ui/jobs/offsite-backup", 1240, 1400),
    "runs": ("/ui/runs?state=failed", 700, 900),
    "run": ("/ui/runs/{running}", 1240, 1800),
    "failed-run": ("/ui/runs/{failed}", 800, 900),
    "bundle": ("/ui/bundle", 800, 1000),
    "audit": ("/ui/audit", 900, 1000),
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
        with contextlib.closing(still(home, "tests.pictures.night", **ENVIRON)) as server:
            _look(browser, server)
    finally:
        shutil.rmtree(home)


def _look(browser: Browser, server: Served) -> None:
    known = {"Authorization": f"Bearer {TOKEN}"}
    server.http.headers.update(known)
    visitor, stranger = Visitor(browser, server.url, headers=known), Visitor(browser, server.url)
    asked = {"running": ("db-dump-main", "running"), "failed": ("cert-renew", "failed")}
    runs = {
        name: server.http.get("/runs", params={"job_id": job, "state": state}).json()["runs"][0]["id"]
        for name, (job, state) in asked.items()
    }
    for name, (path, tall, taller) in PAGES.items():
        address = path.format(**runs)
        visit = stranger if name == "sign-in" else visitor
        _shot(visit(address, width=DESK, script=False), f"page-{name}", tall)
        _shot(visit(address, width=DESK, script=False, scheme="dark"), f"page-{name}-dark", tall)
        _shot(visit(address, width=PHONE, script=False, scheme="dark"), f"page-{name}-phone", taller)
    _shot(_chosen(visitor("/ui/jobs", width=DESK)), "page-jobs-chosen", 900)
    visitor.forget()
    stranger.forget()


def _chosen(page: Page) -> Page:
    """Choose some jobs of the list, so that the bar of acts stands below them."""
    for name in CHOSEN:
        page.get_by_label(f"Choose {name}").check()
    page.evaluate("scrollTo(0, 0)")
    return page


def _shot(page: Page, name: str, height: int) -> None:
    """Keep the upper part of a page as a picture."""
    width = page.evaluate("document.documentElement.clientWidth")
    page.evaluate(RENAME, [socket.gethostname(), HOST])
    page.set_viewport_size({"width": width, "height": height})
    file = DOCS / f"{name}.png"
    page.screenshot(path=file)
    if (size := file.stat().st_size) > MOST_BYTES:
        sys.exit(f"{file} has {size} bytes; show less of the page, at most {MOST_BYTES}")


if __name__ == "__main__":
    sys.exit(main())
