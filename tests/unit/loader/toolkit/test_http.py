"""The HTTP client of jobs: what is repeated, how long it waits, where the token goes."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from sauron_jobs_loader.toolkit import http
from tests.http_receiver import Answer, receive

BUSY = Answer(503, headers={"Retry-After": "0"})
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "busy", [Answer(status, headers={"Retry-After": "0"}) for status in (429, 502, 503, 504)]
)
def test_a_busy_server_is_asked_again(busy: Answer) -> None:
    with receive(busy, busy, Answer(200, "done")) as server, http.client(base_url=server.url) as client:
        assert client.get("/x").text == "done"
        assert len(server.asked) == 3


def test_the_last_answer_is_the_callers() -> None:
    with receive(BUSY) as server, http.client(retries=2) as client:
        assert client.put(server.url, content=b"again").status_code == 503
        assert [asked.body for asked in server.asked] == ["again"] * 3


def test_what_may_not_be_repeated_is_sent_once() -> None:
    with receive(BUSY) as server, http.client(base_url=server.url) as client:
        assert client.post("/x").status_code == 503
        assert client.put("/x", content=iter([b"once"])).status_code == 503
        assert len(server.asked) == 2


def test_a_lost_connection_is_tried_again_for_what_may_be_repeated() -> None:
    with receive(Answer(0), Answer(200, "done")) as server, http.client(base_url=server.url) as client:
        assert client.get("/x").text == "done"
    with receive(Answer(0)) as server, http.client(base_url=server.url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/x")
        assert len(server.asked) == 1


def test_a_server_that_does_not_answer_is_given_up_at_the_timeout() -> None:
    with receive(Answer(-1)) as server, http.client(timeout_seconds=0.2, retries=1) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get(server.url)
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("retry_after", "attempt", "least", "most"),
    [
        (None, 1, 0.5, 0.7),
        (None, 3, 2.0, 2.5),
        (None, 20, 60, 60),
        ("7", 1, 7, 7),
        ("3600", 1, 60, 60),
        ("Mon, 02 Mar 2026 12:00:30 GMT", 1, 30, 30),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 1, 0, 0),
        ("soon", 1, 0.5, 0.7),
        ("-5", 1, 0.5, 0.7),
    ],
)
def test_the_pause_is_what_the_server_asks_for_or_grows_and_is_capped(
    retry_after: str | None, attempt: int, least: float, most: float
) -> None:
    assert least <= http.pause_before(attempt, retry_after, NOW) <= most


def test_the_token_goes_into_the_authorization_header_only() -> None:
    with (
        receive() as server,
        http.client(base_url=server.url, token="a-token\n", headers={"X-Team": "ops"}) as client,
    ):
        client.get("/x")
        asked = server.asked[0]
    assert asked.headers["Authorization"] == "Bearer a-token"
    assert asked.headers["X-Team"] == "ops"
    assert asked.headers["User-Agent"].startswith("sauron")
    assert "a-token" not in asked.path


def test_a_token_that_no_header_carries_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="not valid in a header") as refused:
        http.client(token="half\nhidden")
    assert "hidden" not in str(refused.value)


def test_proxies_of_the_environment_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with receive(Answer(200, "by proxy")) as proxy, receive(Answer(200, "directly")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with http.client() as client:
            assert client.get("http://far.example.com/x").text == "by proxy"
            assert client.get(server.url).text == "directly"
