from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client, trigger


@pytest.mark.parametrize(
    ("path", "name", "hint"),
    [
        ("/runs?limit=0", "limit", "1 to 1000"),
        ("/runs?limit=1001", "limit", "1 to 1000"),
        ("/runs?limit=ten", "limit", "1 to 1000"),
        ("/runs?state=done", "state", "succeeded"),
        ("/runs?since=yesterday", "since", "ISO 8601"),
        ("/runs?since=2026-03-02T13:00:00", "since", "zone"),
        ("/runs?since=1900000000", "since", "ISO 8601"),
        ("/runs?since=0001-01-01T00:00:00%2B01:00", "since", "1 to 9999 in UTC"),
        ("/runs?since=9999-12-31T23:59:59.9999999-05:00", "since", "1 to 9999 in UTC"),
        ("/runs?after=7", "after", "next_after"),
        ("/runs?job=x", "job", "job_id"),
        ("/runs?limit=1&limit=2", "limit", "once"),
        ("/jobs?limit=0", "limit", "1 to 1000"),
        ("/jobs?after=%00", "after", "NUL"),
        ("/jobs?tag=a,%00", "tag", "NUL"),
        ("/jobs?tag=caf%E9", "tag", "not UTF-8"),
        ("/runs?job_id=%ff", "job_id", "not UTF-8"),
        ("/jobs?enabled_only=maybe", "enabled_only", "true or false"),
        ("/next?count=-1", "count", "1 to 1000"),
        ("/runs/x/log?after=-1", "after", "whole number"),
        ("/runs?limit=%D9%A3", "limit", "whole number"),  # a digit, but none of ours
        ("/runs/x/log?after=4611686018427387905", "after", "whole number"),
    ],
)
def test_a_bad_query_parameter_is_named(
    sauron: Sauron, client: Client, path: str, name: str, hint: str
) -> None:
    said = client.get(path).problem
    assert (said["status"], said["parameter"]) == (400, name)
    assert hint in said["detail"]


def test_a_name_in_the_path_that_is_not_utf_8_is_refused(sauron: Sauron, client: Client) -> None:
    for method, path in (("GET", "/jobs/caf%E9"), ("POST", "/jobs/%ff/trigger"), ("GET", "/runs/%C3")):
        said = client.ask(method, path).problem
        assert (said["status"], "not UTF-8" in said["detail"]) == (400, True), path


def test_the_greatest_position_that_the_text_names_is_read(sauron: Sauron, client: Client) -> None:
    run_id = trigger(client)
    assert client.get(f"/runs/{run_id}/log?after={2**62}").status == 200


@pytest.mark.parametrize(
    "since",
    [
        "0001-01-01T00:00:00Z",
        "2026-03-02t13:00:00z",
        "2026-03-02 13:00:00 01:00",
        "9999-12-31T23:59:59.9999999Z",
    ],
)
def test_a_time_in_any_form_of_the_standards_is_read(sauron: Sauron, client: Client, since: str) -> None:
    assert client.get(f"/runs?since={since.replace(' ', '%20')}").status == 200
