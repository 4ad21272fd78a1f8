"""Every page in both schemes, on a desk and on a phone, with a keyboard alone, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser import checks
from tests.browser.chromium import Scheme, Visitor
from tests.e2e.outside import Served

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/",
    "jobs": "/ui/jobs",
    "jobs of a state": "/ui/jobs?state=failing",
    "jobs, none found": "/ui/jobs?q=nowhere",
    "next": "/ui/next",
    "next, from a time": "/ui/next?q=refresh&from=2026-03-07T12:00Z",
    "next, none found": "/ui/next?q=nowhere",
    "job": "/ui/jobs/offsite-backup",
    "job, off": "/ui/jobs/staging-refresh",
    "job, and why": "/ui/jobs/orders-export?at=2026-03-06T13:15",
    "runs": "/ui/runs",
    "runs, none found": "/ui/runs?job_id=nowhere",
    "running": "/ui/runs/{running}",
    "failed run": "/ui/runs/{failed}",
    "audit": "/ui/audit",
    "settings": "/ui/settings",
    "bundle": "/ui/bundle",
    "switch off": "/ui/jobs/disk-space/disable?until=2026-03-09T08:00",
    "run": "/ui/jobs/disk-space/trigger",
    "cancel": "/ui/runs/{running}/cancel",
}
MISSING = {"no such job": "/ui/jobs/nowhere", "no such run": "/ui/runs/00000000-0000-7000-8000-000000000000"}
ALWAYS = (checks.frame, checks.times, checks.sideways, checks.spilled)
# What a page is asked in each way of looking. axe-core and a walk through it take long: once in each scheme.
LOOKS: dict[str, tuple[Scheme, int, tuple[Callable[[Page], list[str]], ...]]] = {
    "light": ("light", 1440, (*ALWAYS, checks.axe, checks.keyboard)),
    "dark": ("dark", 1440, ALWAYS),
    "phone": ("light", 360, ALWAYS),
    "dark phone": ("dark", 360, (*ALWAYS, checks.axe, checks.keyboard)),
}
# What a page says and offers. Numbers may move, as the free space of a disk does.
CONTENT = r"""() => [...document.querySelectorAll('main :is(h1, h2, th, td, dt, dd, li, a, form, .log-line)')]
    .filter((one) => !one.closest('[data-own], [data-script]'))
    .map((one) => [one.href, one.action, one.textContent.replace(/\d+/g, '0')].join(' '))"""
# Faults of pages that are about to be drawn anew.


@pytest.fixture(scope="package")
def runs(night_server: Served) -> dict[str, str]:
    """Return ids of runs that pages show."""

    def newest(**wanted: str) -> str:
        return str(night_server.http.get("/runs", params=wanted).json()["runs"][0]["id"])

    return {
        "running": newest(job_id="db-dump-main", state="running"),
        "failed": newest(job_id="cert-renew", state="failed"),
    }


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_what_every_page_keeps(
    night: Visitor, runs: dict[str, str], name: str, look: str
) -> None:
    scheme, width, questions = LOOKS[look]
    page = night(PAGES[name].format(**runs), scheme=scheme, width=width)
    first_lines = page.locator("header.top").inner_text() + page.locator("h1").inner_text()
    assert "2 failing" in first_lines
    assert checks.all_of(page, *questions) == []


@pytest.mark.parametrize("name", MISSING)
def test_a_page_that_is_not_there_keeps_it_too(night: Visitor, name: str) -> None:
    night.watch.expected.add(404)
    for scheme, width, questions in (LOOKS["light"], LOOKS["dark phone"]):
        page = night(MISSING[name], scheme=scheme, width=width)
        assert checks.all_of(page, *questions) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_the_same_without_javascript(night: Visitor, runs: dict[str, str], name: str) -> None:
    path = PAGES[name].format(**runs)
    said = [night(path, script=script).evaluate(CONTENT) for script in (True, False)]
    assert said[0] == said[1]
    assert len(said[1]) > 2
