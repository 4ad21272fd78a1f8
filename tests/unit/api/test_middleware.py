from __future__ import annotations

import io

import pytest

from chalicelib import wiring
from chalicelib.api.response_headers import SECURITY_HEADERS
from chalicelib.wiring import Sauron
from tests.unit.api.client import Client

JSON = {"Content-Type": "application/json"}
TRIGGER = "/jobs/nightly-backup/trigger"


def test_a_method_that_is_not_there_is_405_with_those_that_are(sauron: Sauron, client: Client) -> None:
    answer = client.ask("DELETE", "/jobs/digest")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert "DELETE" in answer.problem["detail"]
    assert client.get("/sync").problem["status"] == 405


def test_a_body_over_64_kb_is_413(sauron: Sauron, client: Client) -> None:
    assert client.ask("POST", TRIGGER, b" " * 65_537, JSON).problem["status"] == 413
    assert client.ask("POST", TRIGGER, b" " * 65_536, JSON).status == 200


def test_a_fault_inside_is_500_with_the_reason_in_the_log_only(
    sauron: Sauron, client: Client, log_text: io.StringIO
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("UPDATE jobs SET record = '{not json'")
    for path in ("/jobs", "/"):
        problem = client.get(path).problem
        assert problem["status"] == 500
        assert "json" not in problem["detail"].lower()
        assert "JSONDecodeError" in log_text.getvalue()


def test_settings_that_cannot_be_used_are_500_without_saying_which(
    monkeypatch: pytest.MonkeyPatch, client: Client, log_text: io.StringIO
) -> None:
    monkeypatch.setenv("API_PORT", "http")
    wiring.PROCESS.set(None)
    answer = client.get("/status")
    assert answer.problem["status"] == 500
    assert "API_PORT" not in answer.body
    assert "API_PORT" in log_text.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/jobs", 200),
        ("GET", "/jobs/none", 404),
        ("DELETE", "/jobs/digest", 405),
        ("POST", "/rollback", 422),
        ("POST", TRIGGER, 200),
        ("GET", "/", 200),
        ("POST", "/ui/jobs/nightly-backup/trigger", 303),
        ("GET", "/ui/runs/none", 404),
    ],
)
def test_no_answer_is_cached_guessed_at_framed_or_lent_to_another_site(
    sauron: Sauron, client: Client, method: str, path: str, status: int
) -> None:
    for accept in ("application/json", "text/html"):
        answer = client.ask(method, path, headers={"Accept": accept})
        assert answer.status == status
        page = answer.headers.get("content-type", "").startswith("text/html")
        for name, value in SECURITY_HEADERS.items():
            if not (page and name == "Content-Security-Policy"):
                assert answer.headers[name.lower()] == value
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert ("style-src" in policy) == page
