"""What a line of the overview says of other jobs, of what a late job waits for, and what can be done."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.model.runs import RunState
from chalicelib.store import incidents
from chalicelib.store.queue import chains, pools
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client

FAILED, TIMED_OUT, MISSED = RunState.FAILED, RunState.TIMED_OUT, RunState.MISSED


@pytest.fixture
def sauron(sauron: Sauron, clock: ManualClock) -> Sauron:
    """A Sauron with a chain of three: verify follows nightly-backup, report follows verify."""
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    define(sauron.store, clock, "verify", "", after=["nightly-backup"])
    define(sauron.store, clock, "report", "", after=["verify"])
    return sauron


def line(client: Client, job_id: str = "nightly-backup") -> str:
    """Return the markup of a job's line among those that want a person."""
    lines = client.get("/").body.partition('<ul class="needs">')[2].partition("</ul>")[0].split("<li")
    return next(one for one in lines if f'/ui/jobs/{job_id}"' in one)


def words(markup: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", markup).split())


def wrong(sauron: Sauron, kind: str, since: datetime, run_id: str | None = None) -> None:
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "nightly-backup",
            kind,
            reason="so it is",
            since=since,
            told_at=None,
            job_id="nightly-backup",
            run_id=run_id,
        )


def flow(sauron: Sauron, clock: ManualClock) -> None:
    """Ask for the children of what ended, however long the chain."""
    for _ in range(3):
        with sauron.store.write() as tx:
            chains.flow(tx, now=clock.now())


@pytest.mark.parametrize(("state", "kind"), [(FAILED, "failing"), (TIMED_OUT, "failing"), (MISSED, "missed")])
def test_what_did_not_run_because_of_a_job_stands_with_it(
    sauron: Sauron, client: Client, clock: ManualClock, state: RunState, kind: str
) -> None:
    at = clock.now() - timedelta(hours=9)
    run = record(sauron.store, "nightly-backup", state, at, reason="down")
    wrong(sauron, kind, at, run)
    assert "because of it" not in line(client)
    flow(sauron, clock)
    assert "verify and report did not run because of it." in line(client)


def test_a_job_that_ran_since_is_no_consequence_any_more(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    at = clock.now() - timedelta(hours=9)
    wrong(sauron, "failing", at, record(sauron.store, "nightly-backup", FAILED, at))
    flow(sauron, clock)
    clock.move(seconds=60)
    client.post("/jobs/verify/trigger")
    assert "because of it" not in line(client)


def test_what_waits_for_a_late_job_and_what_stays_off_with_one_stands_with_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    client.post("/jobs/report/disable")
    wrong(sauron, "late", clock.now())
    assert "verify waits for it." in line(client)
    client.post("/jobs/report/enable")
    assert "verify and report wait for it." in line(client)
    client.post("/jobs/nightly-backup/disable")
    assert "verify and report do not run while it is off." in line(client)


def test_more_than_three_jobs_are_counted(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    for job_id in ("a", "b", "c"):
        define(sauron.store, clock, job_id, "", after=["nightly-backup"])
    wrong(sauron, "late", clock.now())
    assert "a, b, c and 2 more wait for it." in line(client)


def test_who_waits_for_the_place_in_a_full_pool_stands_with_the_job_that_has_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "export", "0 4 * * *")
    wrong(sauron, "failing", clock.now())
    record(sauron.store, "nightly-backup", RunState.RUNNING, clock.now(), pool="disk")
    record(sauron.store, "export", RunState.QUEUED, clock.now(), pool="disk")
    assert "export waits for its place in pool disk." in line(client)
    with sauron.store.write() as tx:
        pools.keep_sizes(tx, {"disk": 2})
    assert "pool disk" not in line(client)


def test_a_late_job_names_the_run_that_it_waits_for_and_leads_to_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "nightly-backup", "0 3 * * *", overlap="queue", timezone="Europe/Vienna")
    clock.move(seconds=3600)
    sauron.membership.join()
    sauron.duties.tick()
    now = clock.now().replace(second=0)  # 13:00 UTC
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, now - timedelta(days=1), seconds=240)
    running = record(sauron.store, "nightly-backup", RunState.RUNNING, now - timedelta(minutes=45))
    due = [
        record(sauron.store, "nightly-backup", RunState.QUEUED, now - timedelta(minutes=ago))
        for ago in (30, 15)
    ]
    wrong(sauron, "late", now - timedelta(minutes=30), due[0])
    late = line(client)
    said = "The runs of 12:30 and 12:45 wait for the run of 12:15, which is running for 45 min, usually 4 min"
    assert f"{said}. overlap is queue: one at a time." in words(late)
    assert f'href="/ui/runs/{running}" aria-label="Watch nightly-backup">Watch</a>' in late
    assert f'action="/ui/runs/{running}/cancel"' in late
    assert "Cancel 12:15…" in words(late)
    why = '/ui/jobs/nightly-backup?at=2026-03-02T13:30#why"'  # in the job's zone
    assert why in late
    assert "is queued as run" in client.get("/ui/jobs/nightly-backup?at=2026-03-02T13:30").body


def test_a_late_job_that_waits_for_no_run_of_its_own_says_what_it_waits_for(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    sauron.duties.tick()
    due = record(sauron.store, "nightly-backup", RunState.QUEUED, clock.now() - timedelta(minutes=30))
    wrong(sauron, "late", clock.now() - timedelta(minutes=30), due)
    assert "The run of 11:30 has not started: no runner is alive." in words(line(client))
    assert f'href="/ui/runs/{due}" aria-label="Watch nightly-backup">Watch</a>' in line(client)
    assert "/cancel" not in line(client)
    sauron.membership.join()
    client.post("/pause", {"reason": "a storm"})
    assert "The run of 11:30 has not started: everything is paused" in words(line(client))


def test_a_chain_stands_below_its_parent_and_shows_that_it_was_stopped(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = record(sauron.store, "nightly-backup", FAILED, clock.now() - timedelta(hours=9))
    flow(sauron, clock)
    wrong(sauron, "failing", clock.now() - timedelta(hours=9), run)
    rows = client.get("/").body.partition('<table class="day">')[2].split("<tr>")[2:]
    assert [re.findall('href="/ui/jobs/([^"]*)"', row)[0] for row in rows[:3]] == [
        "nightly-backup",
        "verify",
        "report",
    ]
    assert 'class="below-1"' in rows[1]
    assert 'class="below-2"' in rows[2]
    assert 'href="#m-skipped"' in rows[1]
    assert "after its parent</td>" in rows[1]
    listed = client.get("/ui/jobs").body
    assert "because of nightly-backup</small>" in listed
    assert listed.count("after its parent") == 2
    assert listed.index('class="below-1"') < listed.index('class="below-2"')
    assert 'class="below-' not in client.get("/ui/jobs?sort=name").body


def test_a_job_that_is_off_says_what_was_skipped_and_what_is_to_come(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    client.post("/jobs/nightly-backup/disable", {"reason": "disks", "until": "2026-03-09T08:00:00Z"})
    clock.move(days=2)  # from Monday 12:00
    assert "2 occurrences skipped, 5 to come." in line(client)
    page = client.get("/").body
    assert ("One is off until Mon 08:00." in page, ">Switched off <small>1<" in page) == (True, True)
    client.post("/jobs/nightly-backup/disable", {"reason": "for good"})
    assert "0 occurrences skipped." in line(client)
    client.post("/jobs/nightly-backup/disable", {"until": "9999-12-31T23:59:59Z"})
    assert "0 occurrences skipped." in line(client)
    client.post("/jobs/verify/disable")
    assert "occurrence" not in line(client, "verify")  # it has no schedule of its own


def test_what_is_off_is_no_call_for_a_person_but_what_fails_is(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/report/disable")
    assert "Needs you" not in client.get("/").body
    wrong(sauron, "missed", datetime(2026, 3, 2, 11, tzinfo=UTC))
    assert "Needs you <small>2<" in client.get("/").body


@pytest.mark.parametrize(
    ("error", "shown"),
    [("the command ended with exit code 1", "The command ended with exit code 1"), ("df: gone", "df: gone")],
)
def test_a_cause_that_is_a_sentence_begins_like_one(
    sauron: Sauron, client: Client, clock: ManualClock, error: str, shown: str
) -> None:
    record(sauron.store, "nightly-backup", FAILED, clock.now(), error=error)
    sauron.duties.review()
    assert f'<div class="why">{shown}<' in line(client)
