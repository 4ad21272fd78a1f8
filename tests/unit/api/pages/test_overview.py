from __future__ import annotations

from datetime import timedelta

from chalicelib.model.runs import RunState
from chalicelib.store import incidents
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client
from tests.unit.api.conftest import Build


def test_what_is_wrong_is_the_headline_and_the_title(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "mirror", "*/5 * * * *")
    sauron.membership.join()
    sauron.duties.tick()
    record(
        sauron.store,
        "nightly-backup",
        RunState.TIMED_OUT,
        clock.now() - timedelta(hours=9),
        error="Stopped after 1 h.",
    )
    sauron.duties.review()
    page = client.get("/").body
    assert "<title>1 failing · Sauron</title>" in page
    assert "2 of 3 jobs are well." in page
    assert "Stopped after 1 h." in page
    assert "All is well" not in page
    assert "What is wrong" not in page


def test_a_job_that_fails_says_since_when_and_who_knows(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = record(
        sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(hours=9), error="no room"
    )
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "nightly-backup",
            "failing",
            reason="no room",
            since=clock.now() - timedelta(days=3),
            told_at=clock.now() - timedelta(minutes=20),
            job_id="nightly-backup",
            run_id=run,
        )
    page = client.get("/").body
    assert "failed, since <time" in page
    assert ">Fri 12:00</time>" in page
    assert "People were told 20 min ago." in page
    assert f'action="/ui/runs/{run}/retry"' in page


def test_a_job_that_a_person_switched_off_says_who_why_and_until_when(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/nightly-backup/disable", {"reason": "the disks move", "until": "2026-03-04T08:00:00Z"})
    page = client.get("/").body
    assert "off until Wed 04 Mar 08:00 UTC" in page
    assert "\u201cthe disks move\u201d" in page
    assert 'action="/ui/jobs/nightly-backup/enable"' in page


def test_a_run_in_progress_stands_beside_its_usual_duration(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    now = clock.now()
    for days in (1, 2, 3):
        record(sauron.store, "nightly-backup", RunState.SUCCEEDED, now - timedelta(days=days), seconds=240)
    record(
        sauron.store,
        "nightly-backup",
        RunState.RUNNING,
        now - timedelta(seconds=120),
        progress=0.4,
        progress_note="table 4",
    )
    page = client.get("/").body
    assert "2 min of 4 min" in page
    assert "about 2 min left" in page
    assert "40 %, table 4" in page
    clock.move(seconds=180)
    page = client.get("/").body
    assert "5 min, usually 4 min" in page
    assert "stopped in 0 s" in page


def test_a_failing_builtin_job_is_not_hidden(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "sauron.backup", "0 4 * * *")
    assert "sauron.backup" not in client.get("/").body
    record(sauron.store, "sauron.backup", RunState.FAILED, clock.now(), error="the disk is full")
    sauron.duties.review()
    assert "the disk is full" in client.get("/").body


def test_a_definition_without_a_job_is_told_beside_the_jobs(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "manifest.py:61",
            "rejected",
            reason="the hour 25 does not exist",
            since=clock.now(),
            told_at=None,
            job_id=None,
            run_id=None,
        )
    page = client.get("/").body
    assert "What is wrong" in page
    assert "the hour 25 does not exist" in page


def test_the_parts_of_sauron_say_how_they_are(build: Build, client: Client) -> None:
    sauron = build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    page = client.get("/").body
    assert "stopped; has not ticked yet" in page
    assert "not synced yet" in page
    sauron.membership.join()
    sauron.duties.tick()
    assert "ticked now" in client.get("/").body


def test_every_page_but_the_overview_says_how_many_fail(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = record(sauron.store, "nightly-backup", RunState.FAILED, clock.now())
    sauron.duties.review()
    for path in ("/ui/jobs", "/ui/runs", f"/ui/runs/{run}"):
        assert "1 failing</a>" in client.get(path).body
