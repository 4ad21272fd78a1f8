from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, basic
from tests.unit.api.conftest import Build

FORM = "/ui/jobs/nightly-backup/trigger"
TOKEN = "operate-token-of-24-letters"


@pytest.fixture
def public(build: Build, clock: ManualClock) -> Client:
    """A Sauron behind a proxy: people know it as https://ops.example:8443/sauron."""
    made = build(
        SAURON_PUBLIC_URL="https://Ops.example:8443/sauron", SAURON_API_TOKENS=f"maria:operate:{TOKEN}"
    )
    define(made.store, clock, "nightly-backup", "0 3 * * *")
    return basic(TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://sauron:8080"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://sauron"},
        {"Origin": "http://sauron:8081"},
        {"Origin": "http://sauron:8080.evil.test"},
        {"Origin": "http://sauron:8080@evil.test"},
        {"Origin": "http://evil.test, http://sauron:8080"},
        {"Origin": "ftp://sauron:8080"},
        {"Origin": "http://sauron:8080", "Host": ""},
    ],
)
def test_a_page_of_another_site_changes_nothing(
    sauron: Sauron, client: Client, headers: dict[str, str]
) -> None:
    for path in ("/jobs/nightly-backup/trigger", FORM):
        assert client.ask("POST", path, headers=headers).problem["status"] == 403
    assert client.get("/runs").json["count"] == 0
    assert client.ask("GET", "/jobs", headers=headers).status == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("sauron:8080", "http://sauron:8080"),
        ("SAURON:8080", "HTTP://sauron:8080"),
        ("sauron", "http://sauron"),
        ("sauron:80", "http://sauron"),
        ("sauron:443", "https://sauron"),
        ("sauron", "https://sauron:443"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[0:0::1]:8080", "http://[::1]:8080"),
    ],
)
def test_our_own_page_may_post(sauron: Sauron, client: Client, host: str, origin: str) -> None:
    assert client.ask("POST", FORM, headers={"Host": host, "Origin": origin}).status == 303


def test_what_the_browser_says_about_the_site_decides(sauron: Sauron, client: Client) -> None:
    sent = {"Sec-Fetch-Site": "same-origin", "Origin": "https://ops.example", "Host": "sauron:8080"}
    assert client.ask("POST", FORM, headers=sent).status == 303
    assert client.ask("POST", FORM, headers={"Sec-Fetch-Site": "none"}).status == 303


@pytest.mark.parametrize("origin", ["https://ops.example:8443", "HTTPS://OPS.EXAMPLE:8443"])
def test_the_public_address_is_our_own_under_every_host(public: Client, origin: str) -> None:
    for host in ("sauron:8080", "127.0.0.1:8080", "upstream", ""):
        assert public.ask("POST", FORM, headers={"Host": host, "Origin": origin}).status == 303


@pytest.mark.parametrize(
    "origin",
    [
        "http://ops.example:8443",
        "https://ops.example",
        "https://ops.example:8444",
        "https://evil.example:8443",
    ],
)
def test_an_origin_that_differs_from_the_public_one_in_anything_is_another(
    public: Client, origin: str
) -> None:
    assert public.ask("POST", FORM, headers={"Host": "sauron:8080", "Origin": origin}).status == 403


def test_a_public_name_of_another_script_is_the_one_that_browsers_send(
    build: Build, clock: ManualClock
) -> None:
    made = build(SAURON_PUBLIC_URL="https://bücher.example")
    define(made.store, clock, "nightly-backup", "0 3 * * *")
    sent = {"Host": "xn--bcher-kva.example", "Origin": "https://xn--bcher-kva.example"}
    assert Client().ask("POST", FORM, headers=sent).status == 303
    assert Client().ask("POST", FORM, headers=sent | {"Host": "sauron"}).status == 303


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "Forwarded", "X-Forwarded-Proto"],
)
def test_no_header_of_a_proxy_makes_an_origin_our_own(sauron: Sauron, client: Client, name: str) -> None:
    for value in ("evil.test", "https://evil.test", "host=evil.test;proto=https"):
        sent = {"Origin": "https://evil.test", name: value}
        assert client.ask("POST", FORM, headers=sent).status == 403


def test_the_refusal_names_the_origin_the_host_and_the_cure(sauron: Sauron, client: Client) -> None:
    sent = {"Host": "127.0.0.1:8080", "Origin": "https://ops.example:443"}
    detail = client.ask("POST", FORM, headers=sent).problem["detail"]
    assert "A page of https://ops.example sent this request" in detail
    assert "whose Host is 127.0.0.1:8080;" in detail
    assert "SAURON_PUBLIC_URL" in detail
    page = client.ask("POST", FORM, headers=sent | {"Accept": "text/html"})
    assert (page.status, "https://ops.example" in page.body) == (403, True)
    detail = client.ask("POST", FORM, headers={"Sec-Fetch-Site": "cross-site"}).problem["detail"]
    assert "Sec-Fetch-Site: cross-site" in detail


@pytest.mark.parametrize(("host", "shown"), [("", "missing"), ("user:secret@x", "unreadable")])
def test_the_refusal_repeats_no_host_that_is_not_one(public: Client, host: str, shown: str) -> None:
    sent = {"Host": host, "Origin": "https://evil.example"}
    detail = public.ask("POST", FORM, headers=sent).problem["detail"]
    assert f"whose Host is {shown};" in detail
    assert "secret" not in detail
