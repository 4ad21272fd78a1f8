from __future__ import annotations

import pytest

import app as application
from chalicelib.wiring import Sauron
from tests.attack.credentials import PUBLIC
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer
from tests.unit.api.conftest import Build

TRIGGER = "/jobs/nightly-backup/trigger"
REBOUND = {"Origin": "http://rebind.evil.example:8080", "Sec-Fetch-Site": "same-origin"}


GUARDED = [
    path
    for path, methods in application.app.routes.items()
    if not {f"{method} {path}" for method in methods} & PUBLIC
]


def test_an_open_api_obeys_no_name_that_anybody_may_point_at_it(sauron: Sauron, client: Client) -> None:
    for path in GUARDED:
        asked = path.format(job_id="nightly-backup", run_id="x", name="x", digest="x")
        for method in application.app.routes[path]:
            answer = client.ask(method, asked, headers={"Host": "rebind.evil.example:8080", **REBOUND})
            assert answer.status == 421, (method, path)
    assert GUARDED
    assert client.get("/runs").json["count"] == 0


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "EVIL.example.:80",
        "127.0.0.1.nip.io",
        "localhost.evil.example:8080",
        "notlocalhost.example",
        "1.2.3",
        "evil.example, 127.0.0.1",
        "127.0.0.1, evil.example",
        "user@127.0.0.1",
        "evil.example:80@localhost",
        "[::1].evil.example",
        "[evil.example]",
        "xn--bcher-kva.example",
        "127.0.0.1:8080:evil.example",
        "sauron/evil.example",
        ".",
        "ops.corp",
    ],
)
def test_a_name_with_a_dot_that_nobody_gave_this_sauron_is_refused(
    sauron: Sauron, client: Client, host: str
) -> None:
    assert client.get("/jobs", Host=host).status == 421


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "app.localhost:8080",
        "localhost.localdomain",
        "127.0.0.1",
        "127.8.9.1:8080",
        "192.0.2.7:80",
        "[::1]",
        "[2001:db8::7]:8080",
        "[fe80::1%25eth0]:8080",
        "sauron",
        "sauron:8080",
        "my_sauron-1",
        "",
    ],
)
def test_addresses_and_names_without_a_dot_are_served(sauron: Sauron, client: Client, host: str) -> None:
    assert client.get("/jobs", Host=host).status == 200
    assert client.post(TRIGGER, Host=host).status == 200


def test_the_names_of_the_settings_are_served_and_no_others(build: Build, clock: ManualClock) -> None:
    made = build(API_HOST="box.lan.example", SAURON_PUBLIC_URL="https://Ops.Example.org:8443/sauron/")
    define(made.store, clock, "nightly-backup", "0 3 * * *")
    for host in ("box.lan.example:8080", "ops.example.org", "OPS.example.org:8443", "ops.example.org."):
        assert Client({"Host": host}).post(TRIGGER).status == 200, host
    for host in ("example.org", "www.ops.example.org", "lan.example"):
        assert Client({"Host": host}).get("/jobs").status == 421, host


def test_the_refusal_names_the_settings_to_write_and_is_a_page_for_a_browser(
    sauron: Sauron, client: Client
) -> None:
    detail = client.get("/jobs", Host="ops.example.org").problem["detail"]
    assert "'ops.example.org'" in detail
    assert "SAURON_API_TOKENS" in detail
    assert "SAURON_PUBLIC_URL" in detail
    page = client.get("/", Host="ops.example.org", Accept="text/html")
    assert (page.status, page.headers["content-type"]) == (421, "text/html; charset=utf-8")
    assert "SAURON_PUBLIC_URL" in page.body


def test_a_proxys_header_does_not_stand_for_the_host(sauron: Sauron, client: Client) -> None:
    sent = {"Host": "evil.example", "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
    assert client.ask("GET", "/jobs", headers=sent).status == 421


def test_health_is_served_under_every_name(sauron: Sauron, client: Client) -> None:
    assert client.get("/health", Host="ops.example.org").status == 200


def test_with_tokens_the_token_decides_and_not_the_name(build: Build) -> None:
    build(SAURON_API_TOKENS="grafana:read:read-token-of-24-letters")
    assert bearer("read-token-of-24-letters").get("/jobs", Host="ops.example.org").status == 200
    assert Client().get("/jobs", Host="ops.example.org").status == 401


def test_on_aws_no_name_is_refused(build: Build) -> None:
    build(AWS_LAMBDA_FUNCTION_NAME="sauron-prod")
    assert Client().get("/jobs", Host="abc.execute-api.eu-west-1.amazonaws.com").status == 401
