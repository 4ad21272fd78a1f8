from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client

JSON = {"Content-Type": "application/json"}
TRIGGER = "/jobs/nightly-backup/trigger"


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/xml", "x", "multipart/form-data"])
def test_a_content_type_without_content_says_nothing(sauron: Sauron, client: Client, kind: str) -> None:
    sent = {"Content-Type": kind, "Content-Encoding": "gzip"}
    for path in ("/health", "/", "/jobs", "/runs/none/log", "/ui/runs/none"):
        for method in ("GET", "HEAD"):
            status = 404 if "none" in path else 200
            assert client.ask(method, path, b"", sent).status == status, (method, path)
    assert client.ask("GET", "/jobs", b"<ignored/>", sent).status == 200
    for body in (None, b"", b" \n"):
        assert client.ask("POST", TRIGGER, body, sent).status == 200
    assert client.ask("POST", "/ui" + TRIGGER, b"", sent).status == 303
    assert client.ask("POST", "/jobs/digest/enable", b"", sent).status == 200


@pytest.mark.parametrize("path", [TRIGGER, "/ui" + TRIGGER, "/runs/none/cancel", "/rollback", "/alerts/test"])
def test_content_that_no_handler_reads_is_415_for_every_post(
    sauron: Sauron, client: Client, path: str
) -> None:
    said = client.ask("POST", path, b"<x/>", {"Content-Type": "Application/XML; charset=utf-8"}).problem
    assert (said["status"], "application/xml" in said["detail"]) == (415, True)
    for coding in ("gzip", "BR", "gzip, identity"):
        answer = client.ask("POST", path, b"{}", {**JSON, "Content-Encoding": coding})
        assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
        assert coding.lower() in answer.problem["detail"]
    assert client.ask("POST", TRIGGER, b"{}", {**JSON, "Content-Encoding": "identity"}).status == 200
