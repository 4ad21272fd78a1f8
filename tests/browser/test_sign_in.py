"""Signing in and out as a person does, and the pages of a Sauron in which nothing is yet."""

from __future__ import annotations

import pytest

from tests.browser import checks
from tests.browser.conftest import ServeStill, Visit

pytestmark = pytest.mark.browser

TOKENS = {"jarvis": "operate", "grafana": "read"}
SECRETS = {name: f"{name}-token-0123456789abcdef" for name in TOKENS}
ALL = (checks.frame, checks.times, checks.sideways, checks.spilled, checks.axe, checks.keyboard)


def test_a_person_signs_in_sees_what_the_token_may_do_and_signs_out(
    serve_still: ServeStill, visit: Visit
) -> None:
    tokens = ",".join(f"{name}:{scope}:{SECRETS[name]}" for name, scope in TOKENS.items())
    server = serve_still(SAURON_API_TOKENS=tokens)
    browse = visit(server.url)
    browse.watch.expected = {401, 403}
    page = browse("/ui/jobs?state=failing", width=360, scheme="dark")
    assert page.url == f"{server.url}/ui/sign-in?next=%2Fui%2Fjobs%3Fstate%3Dfailing"
    assert checks.all_of(page, *ALL) == []

    page.get_by_label("Token").fill("guessed")
    page.get_by_role("button", name="Sign in").click()
    assert "it is not one of those" in page.get_by_role("alert").inner_text()
    assert checks.all_of(page, *ALL) == []

    page.get_by_label("Token").fill(SECRETS["grafana"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/jobs?state=failing")
    assert "grafana" in page.locator("header").inner_text()
    assert page.get_by_role("button", name="Run now").count() == 0
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    assert SECRETS["grafana"] not in str(cookie)

    page.goto(f"{server.url}/ui/audit")
    assert page.locator("h1").inner_text() == "Audit"
    page.get_by_role("button", name="Sign out").click()
    assert page.url.startswith(f"{server.url}/ui/sign-in")
    assert page.context.cookies() == []
    page.goto(f"{server.url}/ui/audit")
    assert page.url.startswith(f"{server.url}/ui/sign-in")

    asked = server.http.get(
        "/audit-log", params={"limit": 3}, headers={"Authorization": f"Bearer {SECRETS['jarvis']}"}
    ).json()
    entries = [(one["who"], one["act"], one["outcome"], one["door"]) for one in asked["entries"]]
    assert entries == [
        ("grafana", "sign_out", "done", "page"),
        ("grafana", "sign_in", "done", "page"),
        ("anonymous", "sign_in", "refused", "page"),
    ]


def test_a_token_that_may_act_shows_the_buttons_that_another_does_not(
    serve_still: ServeStill, visit: Visit
) -> None:
    server = serve_still(SAURON_API_TOKENS=f"jarvis:operate:{SECRETS['jarvis']}")
    page = visit(server.url)("/ui/sign-in?next=/ui/jobs/disk-space", script=False)
    page.get_by_label("Token").fill(SECRETS["jarvis"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/ui/jobs/disk-space")
    assert page.get_by_role("button", name="Run now").count() > 0


def test_the_pages_of_an_empty_sauron_say_the_next_step_and_have_no_empty_table(
    serve_still: ServeStill, visit: Visit
) -> None:
    browse = visit(serve_still("tests.browser.nothing").url)
    for path in ("/", "/ui/next", "/ui/jobs", "/ui/runs", "/ui/audit", "/ui/settings", "/ui/sign-in"):
        page = browse(path, width=360)
        assert checks.all_of(page, *ALL) == []
        assert page.locator("table").count() == 0
        if path == "/":
            assert "sauron init" in page.locator("main").inner_text()
