from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from chalicelib.model.runs import RunState
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client


def listed(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]*">([^<]+)</a>', page)


def test_jobs_are_found_by_text_tag_project_and_state(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(
        sauron.store,
        clock,
        "mirror",
        "*/5 * * * *",
        tags=["net"],
        project="infra",
        description="Copies packages",
    )
    record(sauron.store, "mirror", RunState.FAILED, clock.now())
    sauron.duties.review()
    assert listed(client.get("/ui/jobs").body) == [
        "mirror",
        "nightly-backup",
        "digest",
    ]  # off in git
    for query, expected in {
        "q=COPIES": ["mirror", "nightly-backup"],
        "q=copies+pack": ["mirror"],
        "tag=ops": ["nightly-backup"],
        "project=infra": ["mirror", "nightly-backup"],
        "state=failing": ["mirror"],
        "state=off": ["digest"],
        "tag=ops&state=failing": [],
    }.items():
        assert listed(client.get(f"/ui/jobs?{query}").body) == expected, query
    assert "No job matches." in client.get("/ui/jobs?q=nothing").body


def test_links_of_a_list_keep_what_was_asked_for_as_it_was_written(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for number in range(60):
        define(sauron.store, clock, f"pay-{number}", "0 3 * * *", project="Payments, EU", tags=["a, b,"])
    page = client.get("/ui/jobs?project=Payments%2C+EU&tag=a%2C+b%2C&state=well").body
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]+)"', page)]
    assert {tuple(parse_qs(link[1:]).get("project", [])) for link in links} == {("Payments, EU",)}
    following = next(link for link in links if "after=" in link)
    assert len(listed(client.get(f"/ui/jobs{following}").body)) == 10
    assert "<option selected>Payments, EU</option>" in page


@pytest.mark.slow
def test_many_jobs_are_paged_in_their_order(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    for number in range(100):
        define(sauron.store, clock, f"job-{number:03}", "0 3 * * *", tags=["many"])
    found: list[str] = []
    path = "/ui/jobs?tag=many"
    while path:
        page = client.get(path).body
        found += listed(page)
        following = re.search(r'<a rel="next" href="([^"]+)"', page)
        path = f"/ui/jobs{following[1].replace('&amp;', '&')}" if following else ""
    assert found == [f"job-{number:03}" for number in range(100)]


def test_runs_are_paged_from_the_newest_and_chosen_by_job_and_state(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for minutes in range(60):
        state = RunState.FAILED if minutes % 20 == 0 else RunState.SUCCEEDED
        record(sauron.store, "nightly-backup", state, clock.now() - timedelta(minutes=minutes))
    record(sauron.store, "digest", RunState.SKIPPED, clock.now(), reason="the one before runs")
    page = client.get("/ui/runs").body
    assert len(listed(page)) == 50
    assert "the one before runs" in page
    following = re.search(r'<a rel="next" href="([^"]+)"', page)
    assert following
    rest = client.get(f"/ui/runs{following[1]}").body
    assert len(listed(rest)) == 11
    assert 'rel="next"' not in rest
    assert len(listed(client.get("/ui/runs?job_id=nightly-backup&state=failed").body)) == 3
    assert "No run matches." in client.get("/ui/runs?job_id=nobody").body


def test_a_filter_with_several_values_is_kept_for_the_next_page(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for minutes in range(60):
        record(sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(minutes=minutes))
    page = client.get("/ui/runs?state=failed&state=timed_out").body
    assert "state=failed%2Ctimed_out" in page


def three_jobs(sauron: Sauron, clock: ManualClock) -> None:
    """Jobs of which half, all and none of the runs ended well; the first of them grows slower."""
    for job_id, cron, good in (("half", "0 5 * * *", 30), ("all", "0 4 * * *", 60), ("none", "0 3 * * *", 0)):
        define(sauron.store, clock, job_id, cron)
        for number in range(60):
            state = RunState.SUCCEEDED if number % 60 < good else RunState.FAILED
            at = clock.now() - timedelta(hours=number + 1)
            record(sauron.store, job_id, state, at, seconds=120 if number < 10 else 60)


def test_jobs_stand_in_the_order_that_is_asked_for(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    three_jobs(sauron, clock)
    for sort, expected in {
        "name": ["all", "digest", "half", "nightly-backup", "none"],
        "next": ["nightly-backup", "none", "all", "half", "digest"],
        "rate": ["none", "half", "all"],
    }.items():
        found = listed(client.get(f"/ui/jobs?sort={sort}").body)
        assert found[: len(expected)] == expected, sort
    page = client.get("/ui/jobs?sort=rate&q=a").body
    assert '<option value="rate" selected>' in page
    assert 'href="?q=a&amp;sort=rate&amp;state=well"' in page
    refused = client.get("/ui/jobs?sort=size", Accept="text/html")
    assert (refused.status, "sort" in refused.body) == (400, True)


def test_each_job_says_how_often_it_ends_well_how_long_it_takes_and_whether_that_grows(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    three_jobs(sauron, clock)
    page = client.get("/ui/jobs?sort=name").body
    rows = {row.partition("</a>")[0].rpartition(">")[2]: row for row in page.split("<tr>")[2:]}
    numbers = {job_id: re.findall(r'<td class="number">(.*?)</td>', row)[-2:] for job_id, row in rows.items()}
    # the newest third of 60 runs is half as slow again, that of 30 runs twice as slow
    assert numbers["all"] == ["100 %", "60 s<small>+50 %</small>"]
    assert numbers["half"] == ["<b>50 %</b>", "60 s<small>+100 %</small>"]
    assert numbers["none"] == ["<b>0 %</b>", "\u2013"]
    assert numbers["nightly-backup"] == ["\u2013", "\u2013"]
    assert [job_id for job_id, row in rows.items() if 'class="trend"' in row] == ["all", "half"]


def test_runs_are_chosen_by_text_time_and_several_states(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    noon = clock.now()
    for hours, state, error in (
        (0, RunState.FAILED, "Disk 100% full"),
        (1, RunState.TIMED_OUT, "stopped"),
        (2, RunState.SUCCEEDED, None),
        (3, RunState.SKIPPED, None),
    ):
        at = noon - timedelta(hours=hours)
        reason = "the one before runs" if state is RunState.SKIPPED else None
        record(sauron.store, "nightly-backup", state, at, error=error, reason=reason)
    hour = (noon - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, states in {
        "q=disk": ["failed"],
        "q=100%25+FULL": ["failed"],
        "q=_isk": [],
        "q=ONE+BEFORE": ["skipped"],
        "q=backup": ["failed", "timed_out", "succeeded", "skipped"],
        "state=failed&state=timed_out": ["failed", "timed_out"],
        "state=failed,timed_out&q=stop": ["timed_out"],
        f"since={hour}": ["failed", "timed_out"],
        f"until={hour}": ["succeeded", "skipped"],
        f"since={hour}&until={hour}": [],
    }.items():
        page = client.get(f"/ui/runs?{query}").body
        table = page.partition("<tbody>")[2]
        assert re.findall('<span class="state ([a-z_]+)">', table) == states, query
    page = client.get(f"/ui/runs?state=failed&state=missed&since={hour}&q=disk").body
    assert re.findall(r'value="(\w+)" checked', page) == ["failed", "missed"]
    assert f'value="{hour}"' in page


def test_a_page_of_runs_leads_back_to_the_newest_with_the_same_view(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for minutes in range(5):
        record(sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(minutes=minutes))
    first = client.get("/ui/runs?limit=2&job_id=nightly-backup&state=failed").body
    assert ">Newest</a>" not in first
    following = re.search(r'<a rel="next" href="([^"]+)"', first)
    assert following
    second = client.get("/ui/runs" + following[1].replace("&amp;", "&")).body
    newest = re.search(r'<a href="([^"]+)">Newest</a>', second)
    assert newest
    again = client.get("/ui/runs" + newest[1].replace("&amp;", "&")).body
    assert listed(again) == listed(first)
    assert listed(second) == ["nightly-backup"] * 2


def test_what_cannot_be_read_of_a_view_comes_back_as_a_page_with_its_name(
    sauron: Sauron, client: Client
) -> None:
    for query, name in {
        "state=green": "state",
        "since=yesterdayish": "since",
        "until=25:00": "until",
        "limit=0": "limit",
        "after=x": "after",
        "colour=red": "colour",
        "q=%00": "q",
    }.items():
        answer = client.get(f"/ui/runs?{query}", Accept="text/html")
        assert answer.status == 400, query
        assert f"Query parameter &#39;{name}&#39;" in answer.body, query
        assert "<h1>" in answer.body
