"""Every act of the pages, done by hand in a browser without JavaScript, and what it did by the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import checks
from tests.browser.chromium import Visitor
from tests.e2e.outside import SAMPLE, Repository, Served, start, wait_for

pytestmark = pytest.mark.browser

TOKEN = "jarvis-token-0123456789abcdef"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("acts") / "bundle")
    made.commit(SAMPLE)
    return made


@pytest.fixture(scope="module")
def server(bundle: Repository) -> Iterator[Served]:
    settings = {"JOBS_GIT_REPO_URL": str(bundle.folder), "SAURON_API_TOKENS": f"jarvis:operate:{TOKEN}"}
    started = start(bundle.folder.parent / "home", **settings)
    started.until_ready(Authorization=f"Bearer {TOKEN}")
    wait_for(lambda: started.http.get("/jobs/hello").status_code == 200, what="the bundle is in force")
    yield started
    started.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, server: Served) -> Iterator[Visitor]:
    visitor = Visitor(browser, server.url)
    page = visitor("/ui/sign-in", script=False)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    yield visitor
    visitor.forget()


@pytest.fixture
def page(signed_in: Visitor) -> Iterator[Page]:
    signed_in.watch.strange.clear()
    signed_in.watch.expected = {422}
    yield signed_in.context(script=False).new_page()
    signed_in.leave()
    assert signed_in.watch.strange == []


def last_act(server: Served) -> tuple[str, str, str, str | None]:
    """Return who did what last through the pages, to which subject, for which reason."""
    entry = server.http.get("/audit-log", params={"door": "page", "limit": 1}).json()["entries"][0]
    assert entry["outcome"] == "done"
    return entry["who"], entry["act"], entry["subject"], entry["reason"]


def job(server: Served, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get(f"/jobs/{name}").json()
    return found


def confirm(page: Page) -> None:
    """Look at the page that asks once more, and press its button."""
    expect(page.locator("input[name=confirm]")).to_have_count(1)
    assert "Nothing has been changed yet" in page.locator("main").inner_text()
    assert checks.all_of(page, checks.frame, checks.sideways, checks.spilled) == []
    with page.expect_navigation():
        page.locator("main button.main").click()


def test_a_run_with_params(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs/greet")
    page.get_by_label("name").fill("Ada <b>")
    page.get_by_role("spinbutton", name="times").fill("2")
    page.get_by_label("Reason").first.fill("to say hello")
    page.get_by_role("button", name="Run now…").click()
    confirm(page)
    run = server.http.get("/runs", params={"job_id": "greet"}).json()["runs"][0]
    assert run["params"] == {"name": "Ada <b>", "times": 2}
    ended = server.ended(run["id"])
    assert (ended["state"], ended["requested_by"], ended["reason"]) == ("succeeded", "jarvis", "to say hello")
    assert last_act(server) == ("jarvis", "trigger", "greet", "to say hello")
    page.get_by_role("link", name="See the run").click()
    expect(page.locator(".log")).to_contain_text("good day, Ada <b>")


def test_a_switch_with_reason_and_end_and_back(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs/listing")
    page.get_by_role("link", name="Switch off…").first.click()
    page.get_by_label("Reason").fill("the disk moves")
    page.get_by_label("Until").fill("2031-03-03T08:00")
    confirm(page)
    switch = job(server, "listing")["override"]
    assert (switch["enabled"], switch["reason"], switch["by"]) == (False, "the disk moves", "jarvis")
    assert switch["until"].startswith("2031-03-03T08:00:00")
    assert last_act(server) == ("jarvis", "disable", "listing", "the disk moves")

    page.get_by_role("link", name="Switch on…").first.click()
    confirm(page)
    assert job(server, "listing")["enabled"] is True
    assert last_act(server)[:3] == ("jarvis", "enable", "listing")


def test_a_mistake_comes_back_with_the_fields_name_and_what_was_typed(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs/hello/disable")
    page.get_by_label("Reason").fill("a short while")
    page.get_by_label("Until").fill("2001-01-01T08:00")
    page.locator("main button.main").click()
    assert "until" in page.locator(".wrong").inner_text()
    assert page.get_by_label("Reason").input_value() == "a short while"
    assert checks.all_of(page, checks.frame, checks.sideways) == []
    assert job(server, "hello")["enabled"] is True


def test_several_jobs_at_once(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs")
    for name in ("hello", "fails"):
        page.get_by_label(f"Choose {name}").check()
    page.get_by_role("button", name="Switch off…").click()
    assert all(name in page.locator("main").inner_text() for name in ("hello", "fails"))
    page.get_by_label("Reason").fill("both at once")
    confirm(page)
    assert [job(server, name)["enabled"] for name in ("hello", "fails", "slow")] == [False, False, True]
    acts = server.http.get("/audit-log", params={"door": "page", "limit": 2}).json()["entries"]
    assert {(one["act"], one["subject"], one["reason"]) for one in acts} == {
        ("disable", name, "both at once") for name in ("hello", "fails")
    }
    for name in ("hello", "fails"):
        server.http.post(f"/jobs/{name}/enable").raise_for_status()


def test_a_run_is_cancelled_and_another_one_repeated(page: Page, server: Served) -> None:
    run = server.trigger("slow")
    wait_for(lambda: server.run(run)["state"] == "running", what="it runs")
    page.goto(f"{server.url}/ui/runs/{run}")
    page.get_by_role("button", name="Cancel…").click()
    confirm(page)
    assert server.ended(run)["state"] == "cancelled"
    assert last_act(server)[:3] == ("jarvis", "cancel", run)

    failed = server.trigger("fails")
    server.ended(failed)
    page.goto(f"{server.url}/ui/runs/{failed}")
    page.get_by_role("button", name="Run again").click()
    again = page.url.rpartition("/")[2].partition("?")[0]
    assert again != failed
    assert server.ended(again)["job_id"] == "fails"
    assert last_act(server)[:2] == ("jarvis", "retry")


def test_the_audit_page_says_that_what_was_triggered_succeeded(page: Page, server: Served) -> None:
    page.goto(f"{server.url}/ui/jobs/hello")
    page.get_by_label("Reason").first.fill("to see that it works")
    page.get_by_role("button", name="Run now…").click()
    confirm(page)
    run = server.http.get("/runs", params={"job_id": "hello", "limit": 1}).json()["runs"][0]["id"]
    assert server.ended(run)["state"] == "succeeded"
    page.goto(f"{server.url}/ui/audit?subject=hello&act=trigger")
    row = page.get_by_role("row").filter(has_text="to see that it works")
    expect(row.get_by_role("cell").nth(3)).to_have_text(re.compile(r"^\s*succeeded in \d+\.\d s$"))
    expect(row.get_by_role("cell").nth(0)).to_contain_text("jarvisby page from 127.0.0.1")
    assert checks.all_of(page, checks.frame, checks.sideways, checks.spilled) == []
    row.get_by_role("link", name="succeeded").click()
    assert page.url.rpartition("/")[2] == run


def test_an_open_audit_page_follows_what_comes_of_an_act(server: Served, browser: Browser) -> None:
    visitor = Visitor(browser, server.url, headers={"Authorization": f"Bearer {TOKEN}"})
    page = visitor("/ui/audit?subject=slow")
    run = server.trigger("slow")
    made = page.locator(f'.audit a[href="/ui/runs/{run}"]')
    expect(made).to_have_text(re.compile("^running for"))
    server.http.post(f"/runs/{run}/cancel").raise_for_status()
    expect(made).to_have_text(re.compile("^cancelled by jarvis after"))
    visitor.forget()
    assert visitor.watch.strange == []


def test_a_sync_a_rollback_and_a_sync_again(page: Page, server: Served, bundle: Repository) -> None:
    before = server.http.get("/status").json()["git_sync_status"]["current_sha"]
    changed = SAMPLE["manifest.py"].replace("0 8 1 1 *", "0 9 1 1 *")
    after = bundle.commit({"manifest.py": changed})
    page.goto(f"{server.url}/ui/bundle")
    page.get_by_role("button", name="Sync now").click()
    assert server.http.get("/status").json()["git_sync_status"]["current_sha"] == after
    assert last_act(server)[:2] == ("jarvis", "sync")

    page.goto(f"{server.url}/ui/bundle")
    page.get_by_role("link", name=f"Preview going back to {before[:7]}").click()
    assert "hello" in page.locator("main").inner_text()
    page.get_by_label("Reason").fill("too late in the day")
    confirm(page)
    status = server.http.get("/status").json()["git_sync_status"]
    assert status["current_sha"] == before
    assert last_act(server)[1:] == ("rollback", before, "too late in the day")


def test_a_pause_is_ended_from_the_overview(page: Page, server: Served) -> None:
    server.http.post("/pause", json={"reason": "the rack moves"}).raise_for_status()
    page.goto(server.url)
    assert "the rack moves" in page.locator("main").inner_text()
    page.get_by_role("button", name="End the pause").click()
    assert server.http.get("/status").json()["paused"] is None
    assert last_act(server)[:2] == ("jarvis", "unpause")
