from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.model.runs import RunState
from chalicelib.store import ledger, registry
from chalicelib.wiring import Sauron
from tests.conftest import START, ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client
from tests.unit.api.conftest import Build

NOON = START.replace(second=0)


def text(html: str) -> str:
    words = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html)).strip()
    return re.sub(r" (?=[.,;])", "", words)


def lead(page: str) -> str:
    return text(page.partition('<p class="lead">')[2].partition("</p>")[0])


def rows(page: str) -> list[list[str]]:
    """The cells of the table, as a person reads them."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [text(one) for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in body.split("<tr>")[1:]
    ]


def foreseen(page: str) -> dict[str, str]:
    return {f"{row[1]} {row[0][:5]}": row[4] for row in rows(page)}


@pytest.fixture
def bare(build: Build) -> Sauron:
    return build(SAURON_WORKERS="1")


def act(client: Client, path: str, **body: Any) -> None:
    answer = client.post(path, body)
    assert answer.status == 200, answer.body


def test_each_line_says_when_what_how_often_how_long_and_what_is_foreseen(
    bare: Sauron, client: Client, clock: ManualClock
) -> None:
    define(bare.store, clock, "dump", "0 13 * * *", priority=1)
    define(bare.store, clock, "sync", "0 13 * * *")
    record(bare.store, "dump", RunState.SUCCEEDED, NOON - timedelta(days=1), seconds=240)
    page = client.get("/ui/next").body
    assert lead(page) == (
        "2 occurrences of 2 jobs in the next 24 hours; 1 will probably wait."
        " At 13:00 2 fall due at once, for 1 worker."
    )
    assert rows(page) == [
        ["13:00 in 59 min", "dump", "at 13:00", "4 min", "starts at once"],
        [
            *("13:00 in 59 min", "sync", "at 13:00", "\u2013"),
            "waits about 4 min: the one worker is taken until dump of 13:00 ends",
        ],
    ]
    assert 'title="Monday 02 March 2026, 13:00:00 UTC' in page
    assert 'href="/ui/jobs/dump">dump</a> of' in page


def test_all_that_keeps_an_occurrence_from_running_is_told(
    bare: Sauron, client: Client, clock: ManualClock
) -> None:
    for name in ("bad", "left", "person"):
        define(bare.store, clock, name, "0 13 * * *")
    define(bare.store, clock, "git", "0 13 * * *", enabled=False)
    define(bare.store, clock, "after-bad", "", after=["bad"])
    act(client, "/jobs/person/disable", reason="the disk is <full>", until="2026-03-02T20:00:00Z")
    with bare.store.write() as tx:
        for name, leave in (("left", ledger.retire), ("bad", None)):
            job = registry.job(tx, name)
            assert job is not None
            if leave is None:
                ledger.reject(tx, job, "hour 25 is <wrong>", now=clock.now())
            else:
                leave(tx, job, now=clock.now() - timedelta(hours=2))
    page = client.get("/ui/next").body
    assert foreseen(page) == {
        "bad 13:00": "will not run: its definition is rejected: hour 25 is &lt;wrong&gt;",
        "after-bad 13:00": "will not run: bad, which it follows, was missed",
        "git 13:00": "will not run: git has enabled=False",
        "left 13:00": "will not run: its job left the bundle 2 h ago",
        "person 13:00": "will not run: switched off by somebody until Mon 02 Mar 20:00"
        " “the disk is &lt;full&gt;”",
    }
    assert lead(page) == "5 occurrences of 5 jobs in the next 24 hours; 5 will not run."


def test_a_switch_until_a_time_is_told_beside_what_git_says(
    bare: Sauron, client: Client, clock: ManualClock
) -> None:
    define(bare.store, clock, "early", "0 13,14,15 * * *", enabled=False)
    define(bare.store, clock, "often", "*/30 * * * *", enabled=False)
    for name in ("early", "often"):
        act(client, f"/jobs/{name}/disable", until="2026-03-02T14:00:00Z")
    said = foreseen(client.get("/ui/next").body)
    words = "will not run: switched off by somebody until Mon 02 Mar 14:00, then git has enabled=False"
    assert said == {"early 13:00": words, "often 12:30": words}


def test_a_pause_is_named_with_its_end_and_reason(bare: Sauron, client: Client, clock: ManualClock) -> None:
    define(bare.store, clock, "a", "0 13,15 * * *")
    act(client, "/pause", reason="network", until="2026-03-02T14:00:00Z")
    said = foreseen(client.get("/ui/next").body)
    assert said == {
        "a 13:00": "will not run: everything is paused by somebody until Mon 02 Mar 14:00 “network”",
        "a 15:00": "starts at once",
    }


@pytest.mark.parametrize(
    ("overlap", "first", "second"),
    [
        (
            "queue",
            "starts at once",
            "waits about 2 min: its runs go one after another until its run of 13:00 ends",
        ),
        ("skip", "starts at once", "is skipped: the run before it usually still goes on its run of 13:00"),
        ("replace", "starts, and is ended by the next one its run of 13:05", "starts at once"),
    ],
)
def test_what_becomes_of_it_beside_a_run_of_its_own_job(
    build: Build, client: Client, clock: ManualClock, overlap: str, first: str, second: str
) -> None:
    store = build(SAURON_WORKERS="2").store
    define(store, clock, "a", "0,5 13 * * *", overlap=overlap)
    record(store, "a", RunState.SUCCEEDED, NOON - timedelta(days=1), seconds=420)
    assert foreseen(client.get("/ui/next").body) == {"a 13:00": first, "a 13:05": second}


def test_what_depends_on_a_run_in_progress_leads_there(
    build: Build, client: Client, clock: ManualClock
) -> None:
    store = build(SAURON_WORKERS="2").store
    define(store, clock, "slow", "1 12 * * *", pool="db", timeout_seconds=3600)
    define(store, clock, "b", "2 12 * * *", pool="db")
    define(store, clock, "c", "", after=["slow"])
    run = record(store, "slow", RunState.RUNNING, NOON - timedelta(minutes=4))
    page = client.get("/ui/next").body
    said = foreseen(page)
    assert said["slow 12:01"] == (
        "is skipped if the run before it still goes on its run of 11:56, whose end is not known"
    )
    assert said["b 12:02"] == "waits, not known for how long: its pool db is full until slow of 11:56 ends"
    assert said["c 12:05"] == "starts when slow ends, and when is not known"
    assert f'href="/ui/runs/{run}">slow</a>' in page
    assert f'href="/ui/runs/{run}">its run</a>' in page
    assert "Counted in: 1 running now." in lead(page)


def test_a_job_that_fires_often_stands_once(bare: Sauron, client: Client, clock: ManualClock) -> None:
    define(bare.store, clock, "often", "* * * * *")
    define(bare.store, clock, "daily", "0 13 * * *")
    page = client.get("/ui/next").body
    assert [row[:3] for row in rows(page)] == [
        ["12:01 in 30 s", "often", "every minute 1,440 times until Tue 12:00"],
        ["13:00 in 59 min", "daily", "at 13:00"],
    ]
    assert "1,441 occurrences of 2 jobs" in lead(page)
    assert "At 13:00 2 fall due at once, for 1 worker." in lead(page)


def test_text_tag_project_and_time_choose_and_a_link_leads_on(
    bare: Sauron, client: Client, clock: ManualClock
) -> None:
    for number in range(70):
        define(bare.store, clock, f"job-{number:02}", "0 13 * * *", tags=["many"], project="shop & co")
    define(bare.store, clock, "other", "0 20 * * *")
    seen, path = [], "/ui/next?tag=many&project=shop+%26+co"
    pages = 0
    while path:
        page = client.get(path).body
        seen += [row[1] for row in rows(page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = f"/ui/next{following[1].replace('&amp;', '&')}" if following else ""
        pages += 1
    assert pages == 2
    assert seen == [f"job-{number:02}" for number in range(70)]
    assert "From now" in page
    assert [row[1] for row in rows(client.get("/ui/next?q=OTHER").body)] == ["other"]
    assert [row[1] for row in rows(client.get("/ui/next?from=2026-03-02T20:00:00Z").body)] == ["other"]
    assert "No occurrence of the next 24 hours matches." in client.get("/ui/next?q=nothing").body
    assert "No occurrence" in client.get("/ui/next?from=2026-03-03T20:00:00Z").body
    assert client.get("/ui/next?from=tomorrow").status == 400


def test_an_empty_sauron_and_one_with_nothing_due_say_so_without_a_table(
    bare: Sauron, client: Client, clock: ManualClock
) -> None:
    page = client.get("/ui/next").body
    assert "There are no jobs yet." in page
    assert "<table" not in page
    define(bare.store, clock, "yearly", "0 3 1 1 *")
    page = client.get("/ui/next").body
    assert "No job is due in the next 24 hours." in page
    assert "<table" not in page


def test_what_keeps_everything_from_starting_is_said_first(
    build: Build, client: Client, clock: ManualClock
) -> None:
    made = build(JOB_QUEUE_ENABLED="0")
    define(made.store, clock, "a", "0 13 * * *")
    page = client.get("/ui/next").body
    assert "JOB_QUEUE_ENABLED is 0, so nothing starts" in page
    assert foreseen(page) == {"a 13:00": "waits: nothing is started now"}


def test_where_the_bound_cut_is_said(bare: Sauron, client: Client, clock: ManualClock) -> None:
    for number in range(6):
        define(bare.store, clock, f"often-{number}", "* * * * *")
    page = client.get("/ui/next").body
    said = "Foreseen are the first 4,998, up to Tue 01:53; of later ones only the schedule is known."
    assert said in lead(page)
    last = client.get("/ui/next?from=2026-03-03T10:00:00Z").body
    assert set(foreseen(last).values()) == {"not foreseen: too far ahead"}


def test_the_overview_and_the_jobs_lead_there(bare: Sauron, client: Client, clock: ManualClock) -> None:
    job = define(bare.store, clock, "a", "30 12 * * *")
    record(bare.store, "a", RunState.SUCCEEDED, NOON - timedelta(hours=3))
    link = '<a class="more" href="/ui/next">Next 24 hours</a>'
    assert client.get("/").body.count(link) == 1
    clock.move(hours=1)
    assert job.next_fires(now=clock.now(), count=1)[0] - clock.now() > timedelta(hours=1)
    assert "Next hour" not in client.get("/").body
    assert client.get("/").body.count(link) == 1
    assert 'href="/ui/next"' in client.get("/ui/jobs?sort=next").body
