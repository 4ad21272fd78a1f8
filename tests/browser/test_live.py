"""An open page stays fresh by itself, and leaves alone what a person reads, types or points at."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from chalicelib.store import Store
from chalicelib.store.schema import log_chunks
from tests.browser.conftest import ServeStill, Visit
from tests.e2e.outside import Served
from tests.pictures.night import NOW

pytestmark = pytest.mark.browser

FRESH_MS = 10_000  # it asks every four seconds; machines that test are slow
ORDER = "() => [...document.querySelectorAll('tbody th a')].map((one) => one.textContent)"


def at_once(page: Page) -> None:
    """Let a page ask now instead of in four seconds: so it does when the network comes back."""
    with page.expect_response("**/ui/events*"):
        page.evaluate("dispatchEvent(new Event('online'))")


def off(server: Served, job_id: str) -> None:
    response = server.http.post(f"/jobs/{job_id}/disable", json={"reason": "maintenance of nas-2"})
    assert response.status_code == 200


def test_a_change_appears_by_itself_and_without_a_reload(serve_still: ServeStill, visit: Visit) -> None:
    server = serve_still()
    page = visit(server.url)("/")
    page.evaluate("window.mark = 'the same page'")
    expect(page.locator("main")).not_to_contain_text("maintenance of nas-2")
    off(server, "disk-space")
    expect(page.locator("main")).to_contain_text("maintenance of nas-2", timeout=FRESH_MS)
    assert page.evaluate("window.mark") == "the same page"


def test_the_icon_of_the_tab_is_red_while_something_fails(serve_still: ServeStill, visit: Visit) -> None:
    server = serve_still()
    page = visit(server.url)("/")
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile("%23e0352a"))
    for job_id in ("cert-renew", "offsite-backup"):
        off(server, job_id)
    expect(icon).not_to_have_attribute("href", re.compile("%23e0352a"), timeout=FRESH_MS)


def test_rows_under_a_hand_stay_until_the_person_asks_for_the_changes(
    serve_still: ServeStill, visit: Visit
) -> None:
    server = serve_still()
    page = visit(server.url)("/ui/jobs")
    before = page.evaluate(ORDER)
    page.locator("tbody th a").nth(4).focus()
    off(server, before[-1])
    at_once(page)
    button = page.locator("button.waiting")
    expect(button).to_be_visible()
    assert page.evaluate(ORDER) == before
    page.get_by_label(f"Choose {before[4]}").check()
    page.get_by_label(f"Choose {before[2]}").check()
    names = page.locator(".bulk .names")
    expect(names).to_have_text(f"{before[2]}, {before[4]}")
    button.click()
    expect(button).to_be_hidden()
    assert set(names.inner_text().split(", ")) == {before[2], before[4]}
    after = page.evaluate(ORDER)
    assert sorted(after) == sorted(before)
    assert after.index(before[-1]) < before.index(before[-1])


def test_what_a_person_types_is_kept(serve_still: ServeStill, visit: Visit) -> None:
    server = serve_still()
    page = visit(server.url)("/ui/jobs/wal-ship")
    reason = page.get_by_label("Reason").first
    reason.fill("the second server mov")
    server.http.post("/jobs/wal-ship/trigger", json={"reason": "by the laptop"}).raise_for_status()
    at_once(page)
    expect(page.locator("main")).to_contain_text("by the laptop")
    reason.press_sequentially("es")
    assert reason.input_value() == "the second server moves"
    assert page.evaluate("document.activeElement.value") == "the second server moves"


def test_a_log_follows_what_a_run_writes(serve_still: ServeStill, visit: Visit) -> None:
    server = serve_still()
    asked = {"job_id": "db-dump-main", "state": "running"}
    run = server.http.get("/runs", params=asked).json()["runs"][0]["id"]
    page = visit(server.url)(f"/ui/runs/{run}", width=360)
    log = page.locator(".log")
    expect(log).to_contain_text("events_2026: 41 of 58")
    store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
    at = NOW + timedelta(seconds=1)
    lines = "".join(f"done  table {number}\n" for number in range(42, 59))
    with store.write() as tx:
        tx.execute(insert(log_chunks).values(run_id=run, attempt=1, written_at=at, text=lines))
    store.close()
    at_once(page)
    expect(log).to_contain_text("table 58")
    assert log.evaluate("one => one.scrollHeight - one.clientHeight - one.scrollTop") < 2


def test_a_page_whose_sign_in_ended_says_so(serve_still: ServeStill, visit: Visit) -> None:
    token = "grafana-token-0123456789abcdef"
    server = serve_still(SAURON_API_TOKENS=f"grafana:read:{token}")
    browse = visit(server.url)
    browse.watch.expected = {401}
    page = browse("/ui/sign-in?next=/ui/jobs")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui/jobs")
    page.context.clear_cookies()
    at_once(page)
    link = page.get_by_role("status").get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", "/ui/sign-in?next=%2Fui%2Fjobs")
