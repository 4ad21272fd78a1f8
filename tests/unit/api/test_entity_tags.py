from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer
from tests.unit.api.conftest import Build

LISTS = ["/jobs", "/runs", "/next", "/alerts", "/jobs/digest", "/openapi.json"]


@pytest.mark.parametrize("path", LISTS)
def test_a_client_that_has_the_answer_gets_304_without_a_body(
    sauron: Sauron, client: Client, path: str
) -> None:
    tag = client.get(path).headers["etag"]
    for method in ("GET", "HEAD"):
        got = client.ask(method, path, headers={"If-None-Match": tag})
        assert (got.status, got.body, got.headers["etag"]) == (304, "", tag)
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "content-type" not in got.headers or not got.body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('"a,b", W/{tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
        ("{bare}", 200),
    ],
)
def test_the_header_is_read_as_http_has_it(sauron: Sauron, client: Client, sent: str, status: int) -> None:
    tag = client.get("/jobs").headers["etag"]
    assert tag.startswith('"')
    asked = sent.format(tag=tag, bare=tag.strip('"'))
    assert client.get("/jobs", If_None_Match=asked).status == status


def test_another_content_has_another_tag(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    before = client.get("/jobs")
    assert client.get("/jobs?tag=ops").headers["etag"] != before.headers["etag"]
    define(sauron.store, clock, "another")
    after = client.get("/jobs", If_None_Match=before.headers["etag"])
    assert (after.status, after.json["count"]) == (200, before.json["count"] + 1)


def test_a_refusal_and_an_act_have_no_tag(build: Build) -> None:
    build(SAURON_API_TOKENS="maria:admin:a-token-of-some-length")
    assert (refused := Client().get("/jobs", If_None_Match="*")).status == 401
    missing = bearer("a-token-of-some-length").get("/jobs/none", If_None_Match="*")
    done = bearer("a-token-of-some-length").post("/alerts/test", If_None_Match="*")
    assert (missing.status, done.status) == (404, 200)
    assert not [got for got in (refused, missing, done) if "etag" in got.headers]
