from __future__ import annotations

import pytest

from chalicelib.api.pages.overview import NEEDS
from chalicelib.api.status_report import INCIDENTS_SHOWN
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import bundle
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, execute
from tests.unit.api.conftest import Build


def subjects(client: Client) -> list[str]:
    return [str(incident["subject"]) for incident in client.get("/status").json["alerts"]["open"]]


def test_the_page_and_status_show_the_same_open_incidents(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(
        JOBS_GIT_REPO_URL="https://x:ghp_verysecret@git.test/jobs.git", JOBS_GIT_TOKEN="ghp_verysecret"
    )
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    client.post("/jobs/nightly-backup/trigger")
    execute(sauron, clock, Verdict(Outcome.TIMED_OUT, error="took too long"))
    with sauron.store.write() as tx:
        bundle.change(
            tx,
            last_error="no such branch\nfor ghp_verysecret",
            fault="fetch",
            failing_since=clock.now(),
            fault_count=3,
            consecutive_failures=3,
            active_sha="b" * 40,
        )
        odd = {"job_id": "odd", "place": "manifest.py:3", "reason": "cron has 4 fields"}
        bundle.add_revision(tx, "b" * 40, [], [odd], subject=None, author=None, now=clock.now())
    sauron.duties.review()
    page = client.get("/").body
    assert "<title>1 failing, 3 problems" in page
    assert "<li>The scheduler is not running: it has never ticked.</li>" in page
    assert "<li>The bundle cannot be fetched: no such branch for ***.</li>" in page
    assert "took too long" in page
    assert "<li>odd is rejected: cron has 4 fields.</li>" in page
    assert "no such branch\nfor *** (3 times in a row)" in page
    assert sorted(subjects(client)) == ["nightly-backup", "odd", "sauron"]
    assert "verysecret" not in page


def test_a_failure_that_alerts_nobody_yet_is_no_problem_on_the_page(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build()
    define(sauron.store, clock, "flaky", "0 3 * * *", alert_after=2)
    sauron.membership.join()
    sauron.duties.tick()
    for wrong in (False, True):
        client.post("/jobs/flaky/trigger")
        execute(sauron, clock, Verdict(Outcome.FAILED, error="no route"))
        sauron.duties.review()
        assert ("All is well." in client.get("/").body) is not wrong
        assert subjects(client) == ["flaky"] * wrong


@pytest.mark.slow
def test_many_problems_are_counted_and_not_all_listed(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    sauron.membership.join()
    sauron.duties.tick()
    for number in range(NEEDS + 2):
        define(sauron.store, clock, f"job-{number:02}", "0 3 * * *")
        client.post(f"/jobs/job-{number:02}/trigger")
        execute(sauron, clock, Verdict(Outcome.FAILED, error="no route"))
    with sauron.store.write() as tx:
        places = [{"place": f"manifest.py:{n}", "reason": "no id"} for n in range(INCIDENTS_SHOWN + 3)]
        bundle.change(tx, active_sha="b" * 40)
        bundle.add_revision(tx, "b" * 40, [], places, subject=None, author=None, now=clock.now())
    sauron.duties.review()
    page = client.get("/").body
    needs = page.partition('id="needs"')[2].partition("</section>")[0]
    assert needs.count("No route") == NEEDS
    assert '<a href="/ui/jobs">2 more</a>' in page
    assert page.count("is rejected: no id.") == INCIDENTS_SHOWN
    assert "<li>3 more: `sauron alerts` lists all.</li>" in page
