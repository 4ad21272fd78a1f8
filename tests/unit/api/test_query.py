from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client


@pytest.mark.parametrize(
    ("path", "name", "hint"),
    [
        ("/runs?limit=0", "limit", "1 to 1000"),
        ("/runs?limit=1001", "limit", "1 to 1000"),
        ("/runs?limit=ten", "limit", "1 to 1000"),
        ("/runs?state=done", "state", "succeeded"),
        ("/runs?since=yesterday", "since", "ISO 8601"),
        ("/runs?since=2026-03-02T13:00:00", "since", "zone"),
        ("/runs?after=7", "after", "next_after"),
        ("/runs?job=x", "job", "job_id"),
        ("/runs?limit=1&limit=2", "limit", "once"),
        ("/jobs?limit=0", "limit", "1 to 1000"),
        ("/jobs?after=%00", "after", "NUL"),
        ("/jobs?enabled_only=maybe", "enabled_only", "true or false"),
        ("/next?count=-1", "count", "1 to 1000"),
        ("/runs/x/log?after=-1", "after", "whole number"),
    ],
)
def test_a_bad_query_parameter_is_named(
    sauron: Sauron, client: Client, path: str, name: str, hint: str
) -> None:
    said = client.get(path).problem
    assert (said["status"], said["parameter"]) == (400, name)
    assert hint in said["detail"]
