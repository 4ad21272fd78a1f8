"""What strangers write is text on every page: it neither runs nor loads, hides or widens."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import checks, hostile
from tests.browser.chromium import Visitor
from tests.browser.payloads import GROUPS, HOST, PAYLOADS, words
from tests.browser.still import still
from tests.e2e.outside import Served

pytestmark = pytest.mark.browser

REPOSITORY = "/srv/<img src=x onerror=window.__pwned=1>/jobs"
# Elements and attributes that no text of ours or of a stranger may bring into a page.
MARKUP = """() => {
    if (window.__pwned) return ['it ran'];
    const own = (address) => !address || new URL(address, location.href).origin === location.origin;
    const none = 'iframe, object, embed, img, video, base, marquee, math, template, plaintext, link';
    const icon = document.querySelector('head > link[rel=icon][href^="data:image/svg+xml,%3Csvg"]');
    const faults = [...document.querySelectorAll(none)].filter((one) => one !== icon);
    for (const one of document.querySelectorAll('*')) {
        if (one === icon) continue;
        const names = one.getAttributeNames();
        if (names.some((name) => name.startsWith('on') || name === 'style' || name === 'formaction'))
            faults.push(one);
        for (const name of ['href', 'src', 'action', 'xlink:href']) {
            const address = one.getAttribute(name);
            if (address !== null && !address.startsWith('#') && !own(address)) faults.push(one);
        }
        if (one.localName === 'script' && !one.src) faults.push(one);
    }
    if (document.querySelectorAll('style').length > 1) faults.push(document.body);
    return [...new Set(faults)].map((one) => one.outerHTML.slice(0, 200));
}"""
# All that a person can read on a page: texts, and what stands in fields.
READ = """() => [document.title, document.body.innerText,
    ...[...document.querySelectorAll('input, textarea, option')].map((one) => one.value)].join('\\n')"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    started = still(tmp_path_factory.mktemp("hostile"), "tests.browser.hostile", JOBS_GIT_REPO_URL=REPOSITORY)
    yield started
    started.close()


@pytest.fixture(scope="module")
def stranger(browser: Browser, server: Served) -> Iterator[Visitor]:
    visitor = Visitor(browser, server.url)
    yield visitor
    visitor.forget()


@pytest.fixture
def page(stranger: Visitor) -> Iterator[Page]:
    stranger.watch.strange.clear()
    stranger.watch.expected = {400, 404, 422}
    yield stranger.context(width=360).new_page()
    stranger.leave()
    assert stranger.watch.strange == []


def faults(page: Page, path: str, *texts: str) -> list[str]:
    """Open a page and return what is wrong with it; it must show these texts word by word."""
    page.goto(path)
    found = [*map(str, page.evaluate(MARKUP)), *checks.sideways(page), *checks.frame(page)]
    shown = page.evaluate(READ)
    lost = [word for text in texts for word in words(text) if word not in shown]
    return [f"{path[:120]}: {fault}" for fault in [*found, *(f"not shown: {word}" for word in lost)]]


def test_there_are_sixty_payloads_and_none_is_lost_among_others() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) == 60
    assert all(payload in " | ".join(GROUPS) for payload in PAYLOADS)


@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_a_hostile_job_and_its_run_are_text(page: Page, server: Served, number: int) -> None:
    name, text = hostile.job_id(number), GROUPS[number]
    runs = server.http.get("/runs", params={"job_id": name}).json()["runs"]
    newest = max(runs, key=lambda run: str(run["created_at"]))["id"]
    assert faults(page, f"{server.url}/ui/jobs/{name}", text) == []
    assert faults(page, f"{server.url}/ui/runs/{newest}", text) == []
    assert faults(page, f"{server.url}/ui/jobs/{name}/trigger") == []


@pytest.mark.parametrize(
    "path", ["/", "/ui/next", "/ui/jobs", "/ui/runs", "/ui/audit", "/ui/bundle", "/ui/settings"]
)
def test_lists_of_hostile_things_are_text(page: Page, server: Served, path: str) -> None:
    shown = () if path == "/ui/settings" else GROUPS[:3]
    assert faults(page, server.url + path, *shown) == []
    while path != "/" and (following := page.locator("a[rel=next]")).count():
        assert faults(page, following.evaluate("one => one.href")) == []


REFLECTED = (
    "/?{did}&{run}",
    "/?{nothing}",
    "/ui/jobs?{q}&{tag}&{project}",
    "/ui/jobs?{state}",
    "/ui/next?{q}&{tag}&{project}",
    "/ui/next?from=2026-03-07T12:00Z&{after}",
    "/ui/next?{from}",
    "/ui/jobs?{after}",
    "/ui/jobs/hostile-00?{at}",
    "/ui/jobs/hostile-00?{after}",
    "/ui/jobs/{path}",
    "/ui/runs?{job_id}",
    "/ui/runs?{state}",
    "/ui/runs/{path}",
    "/ui/audit?{who}&{subject}",
    "/ui/audit?{door}",
    "/ui/sign-in?{next}",
    "/ui/bundle?{ref}",
    "/ui/rollback?{sha}",
    "/ui/jobs?{tz}",
    "/ui/jobs/hostile-00/disable?{reason}&{until}",
    "/ui/jobs/hostile-00/trigger?{reason}",
    "/ui/{path}",
)


@pytest.mark.parametrize("pattern", REFLECTED)
def test_what_an_address_says_is_text(page: Page, server: Served, pattern: str) -> None:
    class Fields(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return quote(text, safe="") if name == "path" else urlencode({name: text})

    for first in range(0, len(PAYLOADS), 15):
        text = " ".join(one[:100] for one in PAYLOADS[first : first + 15]).replace("\0", "")
        assert faults(page, server.url + pattern.format_map(Fields())) == []


def test_what_a_page_may_not_do_is_noticed(stranger: Visitor) -> None:
    """Without this the tests above would pass on a watch that sleeps."""
    page = stranger("/")
    page.evaluate("console.log('here')")
    page.evaluate("alert(1)")
    page.evaluate(f"fetch('//{HOST}/').catch(() => 0)")
    page.evaluate("""() => {
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.__pwned=1">');
        document.body.insertAdjacentHTML('beforeend', '<a href="javascript:x"><svg width="5000"/></a>');
    }""")
    assert len(page.evaluate(MARKUP)) == 2
    assert checks.sideways(page) != []
    stranger.leave()
    said = " ".join(stranger.watch.strange)
    assert all(one in said for one in ("console log: here", "alert: 1", "connect-src"))
    stranger.watch.strange.clear()
