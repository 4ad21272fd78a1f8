from __future__ import annotations

import io
import re

import pytest

import app as application
from chalicelib import wiring
from chalicelib.api.problem_page import problem_page
from chalicelib.wiring import Sauron
from sauron.gateway import Gateway
from tests.unit.api.client import Client, basic, bearer
from tests.unit.api.conftest import Build
from tests.unit.api.pages.test_pages import HTML, read

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("asked", "body", "status", "said"),
    [
        ("GET /ui/jobs/none", b"", 404, "Not found"),
        ("GET /ui/jobs?colour=red", b"", 400, "This address cannot be read"),
        ("GET /ui/sync", b"", 405, "There is nothing to see here"),
        ("POST /ui/audit", b"", 405, "There is nothing to see here"),
        ("POST /ui/jobs/digest/trigger", b"", 400, "This was refused"),
        ("POST /ui/jobs/digest/enable", b"x" * 70_000, 413, "This is too long"),
    ],
)
def test_a_mistake_in_a_browser_is_a_page_that_says_what_to_do(
    sauron: Sauron, client: Client, asked: str, body: bytes, status: int, said: str
) -> None:
    method, path = asked.split()
    answer = client.ask(method, path, body, HTML | FORM)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    tags = [tag for tag, _ in read(answer.body).tags]
    assert (tags.count("h1"), tags.count("main")) == (1, 1)
    assert f"<h1>{said}</h1>" in answer.body
    assert f"<title>{said} · Sauron</title>" in answer.body
    assert "Back to the overview" in answer.body
    plain = client.ask(method, path, body, FORM)
    assert (plain.status, plain.problem["status"]) == (status, status)
    assert re.sub("['&<>]", "", str(plain.problem["detail"]))[:20] in re.sub("&#39;", "", answer.body)


def test_the_api_keeps_problems_whatever_a_browser_accepts(sauron: Sauron, client: Client) -> None:
    for path in ("/jobs/none", "/runs/none", "/sync"):
        assert client.get(path, **HTML).problem


def test_what_is_beyond_the_scope_says_which_is_needed_and_who_asked(build: Build) -> None:
    build(SAURON_API_TOKENS="wall:read:read-token-of-wall-1")
    answer = bearer("read-token-of-wall-1").ask("POST", "/ui/sync", b"", HTML | FORM)
    assert answer.status == 403
    assert "a token of the scope <b>operate</b>" in answer.body
    assert "as <b>wall</b>, with the scope <b>read</b>" in answer.body


def test_a_fault_inside_and_settings_that_cannot_be_used_are_pages(
    sauron: Sauron, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("UPDATE jobs SET record = '{not json'")
    answer = client.get("/", **HTML)
    assert (answer.status, "Something went wrong inside Sauron" in answer.body) == (500, True)
    monkeypatch.setenv("API_PORT", "http")
    wiring.PROCESS.set(None)
    answer = client.get("/", **HTML)
    assert (answer.status, "Something went wrong inside Sauron" in answer.body) == (500, True)


def test_a_store_that_is_away_is_a_page_that_names_the_doctor(
    sauron: Sauron, client: Client, log_text: io.StringIO
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("DROP TABLE jobs")
    answer = client.get("/ui/jobs", **HTML)
    assert (answer.status, "<h1>Sauron cannot use its store</h1>" in answer.body) == (503, True)
    assert "sauron doctor" in answer.body


def test_every_refusal_that_there_is_has_words() -> None:
    for status in (400, 401, 403, 404, 405, 409, 413, 415, 418, 421, 422, 429, 500, 503):
        text, _ = problem_page({"status": status, "detail": "It <b>is</b> so."}, mount="/tools")
        assert "It &lt;b&gt;is&lt;/b&gt; so." in text
        assert 'href="/tools/' in text
        read(text)


def test_where_there_is_no_page_the_navigation_is_that_of_the_reader(build: Build) -> None:
    build(SAURON_API_TOKENS="wall:read:read-token-of-wall-1,lead:admin:admin-token-of-lead-1")
    gateway = Gateway(application.app)
    reading, leading, wrong = (
        HTML | basic(token).headers
        for token in ("read-token-of-wall-1", "admin-token-of-lead-1", "a-wrong-token-1")
    )
    for path in ("/no-such-place", "/ui/sync"):
        for headers, sees_jobs, sees_settings in (
            (reading, True, False),
            (leading, True, True),
            (wrong, False, False),
            (HTML, False, False),
        ):
            page = gateway.handle("GET", path, headers, b"").body.decode()
            nav = page.partition('<nav aria-label="Pages">')[2].partition("</nav>")[0]
            assert ('href="/ui/jobs"' in nav) == sees_jobs, (path, headers)
            assert ('href="/ui/settings"' in nav) == sees_settings, (path, headers)
