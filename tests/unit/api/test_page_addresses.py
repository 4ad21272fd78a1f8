from __future__ import annotations

import pytest

from chalicelib.api.page_addresses import page_of_ours


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/?did=synced",
        "/ui/jobs",
        "/ui/jobs?q=a%20b&state=failing",
        "/ui/jobs/nightly-backup",
        "/ui/jobs/a%2Fb",
        "/ui/runs/6f0d.x?after=1",
        "/ui/jobs?q=../x&next=//evil.test",
    ],
)
def test_pages_of_ours_are_kept(text: str) -> None:
    assert page_of_ours(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " /",
        "//evil.test",
        "///evil.test",
        "////evil.test/ui/jobs",
        "/\\evil.test",
        "\\\\evil.test",
        "\\/evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "\t//evil.test",
        "/ui/\\..\\evil",
        "/ui/jobs\r\nSet-Cookie: a=b",
        "/ui/jobs\x00",
        "/ui/jobs\x7f",
        "/ui/jobs ",
        "https://evil.test/",
        "HTTPS:evil.test",
        "http:/ui/jobs",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.test",
        "ui/jobs",
        "?next=/",
        "#",
        "/#x",
        "/ui/jobs#x",
        "/@evil.test",
        "/.evil.test",
        "/%2fevil.test",
        "/%5cevil.test",
        "/%09/evil.test",
        "/ui",
        "/ui.evil.test/",
        "/ui/../jobs",
        "/ui/./jobs",
        "/ui/..//evil.test",
        "/ui/%2e%2e//evil.test",
        "/ui/.%2E/jobs",
        "/jobs",
        "/jobs/backup/trigger",
        "/openapi.json",
        "/ui/sign-in",
        "/ui/sign-in?next=/ui/sign-in",
        "/ui/sign-out",
        "/ui/j\u00f6bs",
        "/ui/\uff0fevil.test",
        "/ui/" + "x" * 2000,
    ],
)
def test_all_else_leads_to_the_overview(text: str | None) -> None:
    assert page_of_ours(text) == "/"
