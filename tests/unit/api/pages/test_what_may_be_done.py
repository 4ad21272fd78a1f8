"""A person sees what the token may do, and nothing more."""

from __future__ import annotations

import re

import pytest

from chalicelib.api.auth import SCOPE_OF_ROUTE
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.settings_readers import SCOPES
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, basic, begin, execute
from tests.unit.api.conftest import Build
from tests.unit.api.pages.test_pages import HTML, read

TOKENS = {scope: f"{scope}-token-of-a-person" for scope in SCOPES}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def pages(build: Build, clock: ManualClock) -> dict[str, str]:
    """The address of a page of every kind, over jobs that are on, off, failing and running."""
    made = build(
        SAURON_API_TOKENS=",".join(f"{scope}:{scope}:{token}" for scope, token in TOKENS.items()),
        JOBS_GIT_REPO_URL="https://git.test/jobs.git",
    )
    define(made.store, clock, "off", "0 3 * * *", enabled=False)
    define(made.store, clock, "fails", "0 3 * * *")
    define(made.store, clock, "runs", "0 3 * * *")
    admin = Client({"Authorization": f"Bearer {TOKENS['admin']}"})
    failed = admin.post("/jobs/fails/trigger").json["queue_id"]
    execute(made, clock, Verdict(Outcome.FAILED, error="no room"))
    running = admin.post("/jobs/runs/trigger").json["queue_id"]
    begin(made, clock)
    return {
        "overview": "/",
        "next": "/ui/next",
        "jobs": "/ui/jobs",
        "a job that is on": "/ui/jobs/fails",
        "a job that is off": "/ui/jobs/off",
        "runs": "/ui/runs",
        "a failed run": f"/ui/runs/{failed}",
        "a run in progress": f"/ui/runs/{running}",
        "audit": "/ui/audit",
        "settings": "/ui/settings",
    }


def posts(page: str) -> set[str]:
    """Return the routes to which a page's forms post."""
    found = [attrs for tag, attrs in read(page).tags if tag == "form" and attrs.get("method") == "post"]
    actions = {str(one["action"]) for one in found}
    return {
        next(route for route in SCOPE_OF_ROUTE if re.fullmatch(re.sub("{.*?}", "[^/]+", route), action))
        for action in actions
    }


@pytest.mark.slow
def test_forms_and_buttons_are_those_that_the_scope_may_send(pages: dict[str, str]) -> None:
    offered: dict[str, set[str]] = {}
    for scope in SCOPES:
        for name, path in pages.items():
            answer = basic(TOKENS[scope]).get(path, **HTML)
            if (name, scope) in {("settings", "read"), ("settings", "trigger")}:
                assert (answer.status, "operate" in answer.body) == (403, True)
                continue
            assert answer.status == 200, (scope, name)
            shown = posts(answer.body)
            beyond = {one for one in shown if SCOPES.index(SCOPE_OF_ROUTE[one]) > SCOPES.index(scope)}
            assert not beyond, (scope, name)
            offered.setdefault(scope, set()).update(shown)
    assert offered["read"] == set()
    assert offered["trigger"] == {"/ui/jobs/{job_id}/trigger", "/ui/jobs"}
    assert offered["operate"] == offered["admin"]
    assert {"/ui/jobs/{job_id}/disable", "/ui/runs/{run_id}/cancel", "/ui/sync"} < offered["operate"]


def test_links_lead_to_what_may_be_seen(pages: dict[str, str]) -> None:
    for scope in SCOPES:
        page = basic(TOKENS[scope]).get("/", **HTML).body
        assert ('href="/ui/settings"' in page) is (scope in {"operate", "admin"}), scope
        assert ('/ui/jobs/fails/disable"' in basic(TOKENS[scope]).get("/ui/jobs/fails").body) is (
            scope in {"operate", "admin"}
        )


def test_the_header_says_who_is_there_and_with_which_scope(pages: dict[str, str]) -> None:
    assert "<b>trigger</b>, trigger" in basic(TOKENS["trigger"]).get("/").body


def test_an_act_beyond_the_scope_is_refused_and_says_which_is_needed(pages: dict[str, str]) -> None:
    for act, needed in (
        ("jobs/fails/trigger", "trigger"),
        ("jobs/fails/disable", "operate"),
        ("sync", "operate"),
    ):
        answer = basic(TOKENS["read"]).ask("POST", f"/ui/{act}", b"", HTML | FORM)
        assert answer.status == 403, act
        assert f"a token of the scope <b>{needed}</b>" in answer.body


def test_while_the_api_is_open_everybody_sees_everything(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs/nightly-backup").body
    assert "/ui/jobs/{job_id}/disable" in posts(page)
    assert 'href="/ui/settings"' in page
    assert "Sign out" not in page
