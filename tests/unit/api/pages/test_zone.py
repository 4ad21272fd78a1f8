from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.api.pages.zone import read_local
from chalicelib.model.instants import InstantError
from chalicelib.model.runs import RunState
from chalicelib.web.zoned import keep_zone
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.recorded_runs import record
from tests.unit.api.client import Client

VIENNA = ZoneInfo("Europe/Vienna")


def test_times_are_shown_in_the_zone_of_the_address_and_marked_up_in_utc(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    page = client.get("/ui/jobs/nightly-backup?tz=America/New_York").body
    assert '<time datetime="2026-03-01T23:30:00Z" title="' in page
    assert ">Sun 01 Mar 18:30</time>" in page
    assert "Mon 22:00 EST" in page  # Tue 03:00 UTC
    assert "EST 07:00</time>" in page  # now


@pytest.mark.parametrize(
    "path", ["/", "/ui/next", "/ui/jobs?q=backup", "/ui/jobs/digest", "/ui/runs", "/ui/audit"]
)
def test_every_link_and_form_of_a_page_keeps_its_zone(sauron: Sauron, client: Client, path: str) -> None:
    for minutes in range(51):
        record(sauron.store, "digest", RunState.FAILED, sauron.clock.now() - timedelta(minutes=minutes))
    sep = "&" if "?" in path else "?"
    page = client.get(f"{path}{sep}tz=Europe/Vienna").body
    links = [one for one in re.findall(r'href="([^"]+)"', page) if not one.startswith(("#", "data:"))]
    assert links
    for link in links:
        assert re.search(r"(\?|&amp;)tz=Europe/Vienna(#|$)", link), link
    for action in re.findall(r'method="post" action="([^"]*)"', page):
        assert "tz=Europe/Vienna" in action
    for form in re.findall(r"<form[^>]*get.*?</form>", page, re.DOTALL):
        assert form.count('name="tz"') == 1
    log = re.search(r'href="(/ui/runs/[^"?]+)', client.get("/ui/runs").body)
    assert log
    assert client.get(f"{log[1]}/log?tz=Europe/Vienna").status == 200


def test_a_page_without_a_zone_is_in_utc_and_has_none_in_its_links(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs").body
    assert "tz=" not in page
    assert 'name="tz" value="UTC"' in page


def test_choosing_a_zone_keeps_the_view(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs?q=back&tag=ops&did=enabled").body
    form = page.partition('class="zone"')[2]
    assert re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', form) == [("q", "back"), ("tag", "ops")]


@pytest.mark.parametrize(
    ("zone", "said"), [("Europe/Wien", "Europe/Vienna"), ("+02:00", "Europe"), ("../x", "There is no")]
)
def test_an_unknown_zone_is_a_page_that_says_what_to_write(
    sauron: Sauron, client: Client, zone: str, said: str
) -> None:
    answer = client.get(f"/ui/jobs?tz={zone.replace('+', '%2B')}", Accept="text/html")
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "tz" in answer.body
    assert said.lower() in answer.body.lower()


def test_a_redirect_keeps_the_zone(sauron: Sauron, client: Client) -> None:
    answer = client.post("/ui/jobs/digest/enable?tz=Asia/Kolkata")
    assert answer.headers["location"] == "/ui/jobs/digest?did=enabled&tz=Asia/Kolkata"


def test_a_written_time_in_a_gap_is_the_end_of_the_gap_and_in_a_fold_the_first(clock: ManualClock) -> None:
    gap, fold = read_local("2026-03-29T02:30", VIENNA), read_local("2026-10-25T02:30", VIENNA)
    assert gap.instant == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert "does not exist" in str(gap.remark)
    assert fold.instant == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert "comes twice" in str(fold.remark)
    assert read_local("2026-07-01T08:00", VIENNA).instant == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
    with pytest.raises(InstantError, match="Europe/Vienna"):
        read_local("tomorrow", VIENNA)


def test_only_own_links_get_a_zone() -> None:
    html = (
        '<a href="https://x.test/">a</a><a href="/sauron/ui/jobs#a">b</a><a href="#m">c</a>'
        "<pre>href=&#34;/sauron/ui/x&#34;</pre><a href='/openapi.json'>d</a>"
    )
    assert keep_zone(html, "/sauron", VIENNA) == html.replace("/ui/jobs#a", "/ui/jobs?tz=Europe/Vienna#a")
