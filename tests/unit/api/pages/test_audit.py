from __future__ import annotations

import re
from datetime import timedelta

import pytest

from chalicelib.clock import iso
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, execute


def acts(page: str) -> list[str]:
    return re.findall(r"<td>(enable|disable|trigger|sync|cancel)\b", page)


def test_acts_are_listed_with_who_why_and_what_was_refused(sauron: Sauron, client: Client) -> None:
    assert "Nobody has done anything yet." in client.get("/ui/audit").body
    client.post("/jobs/nightly-backup/disable", {"reason": "the <b>disks</b> move"})
    client.post("/ui/jobs/nightly-backup/enable")
    client.post("/jobs/digest/trigger")
    page = client.get("/ui/audit").body
    assert acts(page) == ["trigger", "enable", "disable"]
    assert "the &lt;b&gt;disks&lt;/b&gt; move" in page
    assert "refused" in page
    assert "by page" in page
    assert acts(client.get("/ui/audit?subject=digest").body) == ["trigger"]
    assert acts(client.get("/ui/audit?door=page").body) == ["enable"]
    assert acts(client.get("/ui/audit?outcome=refused").body) == ["trigger"]
    assert "No act matches." in client.get("/ui/audit?who=ann").body


@pytest.mark.slow
def test_many_acts_are_paged(sauron: Sauron, client: Client) -> None:
    for _ in range(51):
        client.post("/jobs/nightly-backup/disable")
    page = client.get("/ui/audit").body
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    assert (len(acts(page)), len(acts(client.get(f"/ui/audit{following[1]}").body))) == (50, 1)


def test_a_page_is_followed_to_the_end_through_every_filter(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for number in range(5):
        client.post("/jobs/nightly-backup/disable", {"reason": f"reason {number}"})
        client.post("/jobs/nightly-backup/enable")
        clock.move(hours=1)
    path, seen, pages = "/ui/audit?act=disable&limit=2&since=2026-03-02T13:00:00Z", [], 0
    while path:
        page = client.get(path).body
        seen += re.findall(r"<td>reason (\d)", page)
        pages += 1
        assert ("Back to the newest" in page) is (pages > 1)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = f"/ui/audit{following[1].replace('&amp;', '&')}" if following else ""
    assert (seen, pages) == (["4", "3", "2", "1"], 2)
    assert "Nothing is older." in client.get("/ui/audit?after=1").body


def test_acts_are_found_by_name_and_time(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    clock.move(hours=2)
    client.post(f"/runs/{run}/cancel")
    assert acts(client.get("/ui/audit?act=trigger").body) == ["trigger"]
    assert acts(client.get("/ui/audit?act=trigger,cancel").body) == ["cancel", "trigger"]
    page = client.get("/ui/audit").body
    last_hour = re.search(r'href="([^"]+)">Last hour', page)
    assert last_hour
    assert acts(client.get(last_hour[1].replace("&amp;", "&")).body) == ["cancel"]
    assert f'href="/ui/runs/{run}"' in page
    assert 'href="/ui/jobs/nightly-backup"' in page
    assert client.get("/ui/audit?since=soon").status == 400
    assert "Query parameter" in client.get("/ui/audit?since=soon", Accept="text/html").body


def test_an_act_on_a_run_names_its_job(sauron: Sauron, client: Client) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    client.post(f"/runs/{run_id}/cancel")
    page = client.get("/ui/audit").body
    assert (
        f'href="/ui/runs/{run_id}" title="{run_id}">nightly-backup</a><small>run {run_id[:13]}</small>'
        in page
    )


def row(page: str, act: str) -> str:
    """Return the text of the row of an act, and its tags that matter."""
    found = re.search(rf"<tr>(?:(?!</tr>).)*<td>{act}</td>(?:(?!</tr>).)*</tr>", page, re.DOTALL)
    assert found
    return re.sub(r"<svg.*?</svg>", "", found[0])


def test_an_act_says_what_came_of_it_with_a_link_and_how_that_stands_now(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    said = f'<a class="quiet" href="/ui/runs/{run}">'
    assert f"{said}waiting for 0 s</a>" in row(client.get("/ui/audit").body, "trigger")
    execute(sauron, clock, Verdict(Outcome.FAILED, error="<b>no</b> {} \u202edisk"), seconds=4)
    page = client.get("/ui/audit").body
    assert f"{said}failed after 4.0 s: &lt;b&gt;no&lt;/b&gt; {{}} disk</a>" in row(page, "trigger")
    assert 'href="#m-failed"' in page
    until = iso(clock.now() + timedelta(hours=20))
    client.post("/jobs/nightly-backup/disable", {"until": until})
    disabled = row(client.get("/ui/audit?tz=Europe/Berlin").body, "disable")
    assert re.search(rf'off until <time datetime="{until[:16]}[^>]*>Tue 03 Mar 09:00</time>', disabled)


def test_a_refusal_stands_where_others_have_what_came_of_them(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/digest/trigger", {"reason": "at once"})
    refused = row(client.get("/ui/audit").body, "trigger")
    assert re.search(r"refused</span><small>Job .*disabled.*</small></td>\s*<td>at once</td>", refused)


def test_an_act_says_from_where_it_came(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/nightly-backup/disable")
    assert "<small>by http <span>from 127.0.0.1</span></small>" in client.get("/ui/audit").body
