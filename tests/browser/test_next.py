"""The way from the overview to the next 24 hours and back, and what stands there, without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Visitor

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1440, 360])
def test_from_the_overview_to_the_next_day_to_the_run_in_the_way_and_back(night: Visitor, width: int) -> None:
    page = night("/?tz=Europe/Vienna", script=False, width=width)
    page.get_by_role("link", name="Next 24 hours").click()
    expect(page.locator("h1")).to_have_text("Next 24 hours")
    row = page.get_by_role("row").filter(has_text="crm-sync").filter(has_text="waits")
    expect(row).to_contain_text("04:00")  # of Vienna, 03:00 UTC
    expect(row).to_contain_text("its runs go one after another")
    off = page.get_by_role("row").filter(has_text="staging-refresh")
    expect(off).to_contain_text("will not run: switched off by operator until Mon 09 Mar 09:00")
    assert (
        off.locator("time").first.get_attribute("title") == "Saturday 07 March 2026, 05:00:00 CET, in 72 min"
    )
    row.get_by_role("link", name="its run").click()
    expect(page.locator("h1")).to_contain_text("crm-sync")
    page.go_back()
    page.get_by_placeholder("Find by id, text or tag").fill("refresh")
    page.get_by_role("button", name="Show").first.click()
    assert "q=refresh" in page.url
    assert "tz=Europe%2FVienna" in page.url
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Next hour")).to_be_visible()
