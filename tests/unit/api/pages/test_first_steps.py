from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import bundle
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer, execute
from tests.unit.api.conftest import Build
from tests.unit.api.pages.test_pages import HTML, forms, read


def steps(page: str) -> list[tuple[str, str]]:
    """Return each step with whether it is done, now or later."""
    return re.findall(r'<li class="(done|now|later)">.*?<h2>(.*?)</h2>', page, flags=re.DOTALL)


def states(page: str) -> list[str]:
    return [state for state, _ in steps(page)]


@pytest.fixture
def ticked(build: Build) -> Sauron:
    made = build()
    made.membership.join()
    made.duties.tick()
    return made


def test_a_new_sauron_shows_three_steps_with_what_to_type(ticked: Sauron, client: Client) -> None:
    page = client.get("/", **HTML).body
    assert "<h1>Nothing to watch yet.</h1>" in page
    assert "<title>Nothing to watch yet · Sauron</title>" in page
    assert "Sauron itself is well" in page
    assert steps(page) == [
        ("done", "Sauron runs"),
        ("now", "Write a bundle, or take the example"),
        ("later", "Point Sauron at it"),
        ("later", "See the first run"),
    ]
    for typed in (
        "sauron init my-jobs",
        "sauron import crontab my.crontab my-jobs",
        "JOBS_GIT_REPO_URL=./my-jobs",
    ):
        assert typed in page
    assert "<table" not in page
    assert "Still to come" in page
    read(page)


def test_what_the_steps_name_is_what_the_example_has() -> None:
    manifest = (Path(__file__).parents[4] / "sauron_jobs_loader/example/manifest.py").read_text(
        encoding="utf-8"
    )
    assert manifest.count("JobConfig(") == 4
    assert re.search(r'id="machine-load",\s+cron="\*/5 \* \* \* \*"', manifest)


def test_a_bundle_that_is_configured_is_the_first_step_done(build: Build, client: Client) -> None:
    made = build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    page = client.get("/", **HTML).body
    assert states(page) == ["done", "done", "now", "later"]
    assert "/ui/sync" in forms(page)
    with made.store.write() as tx:
        bundle.change(tx, last_error="the host refused <the key>")
    assert "the host refused &lt;the key&gt;" in client.get("/", **HTML).body


def test_a_bundle_without_jobs_says_what_to_do(build: Build, client: Client) -> None:
    made = build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    with made.store.write() as tx:
        bundle.change(tx, active_sha="7c41e09" + "0" * 33)
    page = client.get("/", **HTML).body
    assert "The bundle has no jobs." in page
    assert states(page) == ["done", "done", "now", "later"]


def test_jobs_that_never_ran_leave_one_step_and_stand_below_it(sauron: Sauron, client: Client) -> None:
    page = client.get("/", **HTML).body
    assert states(page) == ["done", "done", "done", "now"]
    assert "/ui/jobs/nightly-backup/trigger" in forms(page)
    assert '<table class="day">' in page


def test_with_all_jobs_off_it_names_one(build: Build, client: Client, clock: ManualClock) -> None:
    made = build()
    define(made.store, clock, "digest", "0 8 * * *", enabled=False)
    page = client.get("/", **HTML).body
    assert "No job is switched on." in page
    assert 'href="/ui/jobs/digest"' in page


def test_once_something_ran_there_are_no_steps(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    client.post("/jobs/nightly-backup/trigger")
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    assert steps(client.get("/", **HTML).body) == []


def test_a_trouble_comes_before_the_steps(build: Build, client: Client) -> None:
    build()  # its clock has not ticked
    page = client.get("/", **HTML).body
    assert page.index("Something is wrong.") < page.index("First steps")
    assert "Nothing to watch yet." not in page


def test_a_reader_sees_the_steps_without_buttons(build: Build) -> None:
    build(JOBS_GIT_REPO_URL="https://git.test/jobs.git", SAURON_API_TOKENS="wall:read:read-token-of-wall-1")
    page = bearer("read-token-of-wall-1").get("/", **HTML).body
    assert states(page) == ["done", "done", "now", "later"]
    assert forms(page) == []
