"""Browsers that load a page again because of one change cost one page."""

from __future__ import annotations

import re

from chalicelib.api.refreshed_pages import KEPT_SECONDS
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Answer, Client, bearer, trigger
from tests.unit.api.conftest import Build

PAGE = "/ui/jobs/nightly-backup"


def version(client: Client) -> str:
    return client.get(f"/ui/events?page={PAGE}").headers["etag"]


def refresh(client: Client, page: str, seen: str) -> Answer:
    return client.ask("GET", page, headers={"X-Sauron-Version": seen, "Accept": "text/html"})


def shown_at(answer: Answer) -> list[str]:
    """The instants of a page: that of its making is one of them."""
    assert answer.status == 200
    return re.findall(r'datetime="([^"]+)"', answer.body)


def keys(answer: Answer) -> set[str]:
    return set(re.findall(r'name="key" value="([^"]+)"', answer.body))


def test_what_is_loaded_again_for_one_change_is_made_once(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    seen = version(client)
    first = refresh(client, PAGE, seen)
    clock.move(seconds=KEPT_SECONDS - 1)
    again = refresh(client, PAGE, seen)
    assert shown_at(again) == shown_at(first)
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert shown_at(client.get(PAGE)) != shown_at(first), "a person is shown the page as it is now"
    assert shown_at(refresh(client, PAGE, "no version")) != shown_at(first)
    clock.move(seconds=1)
    assert shown_at(refresh(client, PAGE, seen)) != shown_at(first), "it is kept for a few seconds"


def test_each_viewer_has_a_key_of_their_own(sauron: Sauron, client: Client) -> None:
    seen = version(client)
    found = [keys(refresh(client, PAGE, seen)) for _ in range(3)] + [keys(client.get(PAGE))]
    assert all(len(one) == 1 for one in found), found
    assert len(set.union(*found)) == 4


def test_a_change_another_address_and_another_zone_are_another_page(sauron: Sauron, client: Client) -> None:
    before = version(client)
    refresh(client, PAGE, before)
    run_id = trigger(client)
    after = version(client)
    assert after != before
    assert run_id in refresh(client, PAGE, after).body
    assert "digest" in refresh(client, "/ui/jobs/digest", after).body
    zones = [refresh(client, f"{PAGE}?tz={zone}", after).body for zone in ("UTC", "Asia/Tokyo")]
    assert zones[0] != zones[1]
    assert "Asia/Tokyo" in zones[1]


def test_a_page_is_shared_by_who_may_do_the_same_alone(build: Build) -> None:
    build(SAURON_API_TOKENS="a:operate:" + "a" * 40 + ",r:read:" + "r" * 40)
    operator, reader = (bearer(letter * 40) for letter in "ar")
    seen = operator.get("/ui/events?page=/").headers["etag"]
    assert refresh(operator, "/ui/settings", seen).status == 200
    assert refresh(reader, "/ui/settings", seen).status == 403
    assert "/ui/settings" in refresh(operator, "/ui/bundle", seen).body
    assert "/ui/settings" not in refresh(reader, "/ui/bundle", seen).body
    assert refresh(Client(), "/ui/bundle", seen).status == 303


def test_pages_of_an_earlier_store_are_not_shown(build: Build, client: Client, clock: ManualClock) -> None:
    build()
    first = client.get("/ui/events?page=/").headers["etag"]
    shown = shown_at(refresh(client, "/ui/runs", first))
    clock.move(seconds=1)
    build()
    assert shown_at(refresh(client, "/ui/runs", first)) != shown
