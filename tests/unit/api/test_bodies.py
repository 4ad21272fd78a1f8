from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client

JSON = {"Content-Type": "application/json"}
TRIGGER = "/jobs/nightly-backup/trigger"
TIME = "send a time as a text, such as 2026-01-31T08:00:00Z"
NO_TIME = "is not a valid time. Write for example 2026-01-31T08:00:00Z (ISO 8601)"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"reason": }', "line 1, column 12"),
        (b"[1]", "object"),
        (b'"text"', "object"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"params": {"x": NaN}}', "NaN"),
        (b'{"reason": "\\ud800"}', "Unicode"),
        (b'{"params": {"a\\u0000": 1}}', "NUL"),
        (b'{"params": ' + b'{"a":' * 100 + b"1" + b"}" * 101, "nested"),
        (b"[" * 60_000, "nested"),
        (b'\xef\xbb\xbf{"reason": "x"}', "byte order mark"),
        ("\ufeff{}".encode("utf-16-le"), "UTF-8"),
        (b"{} {}", "line 1, column 4"),
    ],
)
def test_a_body_that_is_no_json_object_is_400_and_says_where(
    sauron: Sauron, client: Client, body: bytes, hint: str
) -> None:
    said = client.ask("POST", TRIGGER, body, JSON).problem
    assert said["status"] == 400
    assert hint in said["detail"]
    assert client.get("/runs").json["count"] == 0


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        (
            TRIGGER,
            {"parms": {}},
            "parms: this member does not exist here; send one of params, reason, force, chain",
        ),
        (TRIGGER, {"params": [1]}, "params: send an object"),
        (TRIGGER, {"force": "perhaps"}, "force: send true or false"),
        (TRIGGER, {"force": "true"}, "force: send true or false"),
        (TRIGGER, {"force": 1}, "force: send true or false"),
        (TRIGGER, {"force": None}, "force: send true or false"),
        (TRIGGER, {"reason": 7}, "reason: send a text"),
        (TRIGGER, {"reason": "x" * 501}, "reason: it is longer than 500 characters"),
        ("/jobs/digest/enable", {"until": 1900000000}, f"until: {TIME}"),
        ("/jobs/digest/disable", {"until": 1.9e9}, f"until: {TIME}"),
        ("/jobs/digest/enable", {"until": True}, f"until: {TIME}"),
        ("/jobs/digest/enable", {"until": "1900000000"}, f"until: '1900000000' {NO_TIME}"),
        ("/jobs/digest/enable", {"until": "{why}"}, f"until: '{{why}}' {NO_TIME}"),
        (
            "/jobs/digest/enable",
            {"until": "9999-12-31T23:59:59.9999999-05:00"},
            "until: '9999-12-31T23:59:59.9999999-05:00' is outside the years 1 to 9999 in UTC",
        ),
        ("/rollback", {}, "sha: it is missing"),
        ("/rollback", {"sha": 1234567}, "sha: send a text"),
        ("/sync", {"accept_removals": "yes"}, "accept_removals: send true or false"),
        ("/rollback", {"sha": "main"}, "sha: write a commit id of 7 to 40 hexadecimal digits"),
        ("/sync", {"ref": ""}, "ref: it is empty"),
        ("/sync", {"accept_removals": 3}, "accept_removals: send true or false"),
    ],
)
def test_a_body_that_does_not_fit_is_422_with_the_faults(
    sauron: Sauron, client: Client, path: str, body: object, fault: str
) -> None:
    said = client.post(path, body).problem
    assert (said["status"], said["faults"]) == (422, [fault])


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_a_body_that_is_not_said_to_be_json_is_415(sauron: Sauron, client: Client, kind: str) -> None:
    said = client.ask("POST", TRIGGER, b'{"force": true}', {"Content-Type": kind}).problem
    assert said["status"] == 415
    assert kind in said["detail"]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ('{"force": false, "force": true}', ["force: this member is there twice; send it once"]),
        ('{"force": true, "\\u0066orce": true}', ["force: this member is there twice; send it once"]),
        ('{"params": {"a": [{"n": 1, "n": 1}]}}', ["n: this member is there twice; send it once"]),
        (
            '{"params": {"n": ' + "9" * 309 + "}}",
            ["params.n: this number is too large; send a text"],
        ),
        (
            '{"params": {"n": -' + "9" * 4300 + "}}",
            ["params.n: this number is too large; send a text"],
        ),
        (
            '{"params": {"a": [0, 1e999]}}',
            ["params.a.1: this number is too large; send a text"],
        ),
    ],
)
def test_a_member_that_readers_would_read_differently_is_422_with_its_name(
    sauron: Sauron, client: Client, body: str, faults: list[str]
) -> None:
    said = client.ask("POST", TRIGGER, body.encode(), JSON).problem
    assert (said["status"], said["faults"]) == (422, faults)
    assert client.get("/runs").json["count"] == 0


@pytest.mark.parametrize("number", [2**53 + 1, 2**64, -(10**40), 10**307])
def test_large_numbers_stay_exact(sauron: Sauron, client: Client, number: int) -> None:
    run_id = client.post(TRIGGER, {"params": {"n": number}}).json["queue_id"]
    assert client.get(f"/runs/{run_id}").json["params"] == {"n": number}


def test_a_time_in_any_form_of_the_standards_is_read(sauron: Sauron, client: Client) -> None:
    for until in ("2026-12-31t08:00:00z", "2026-12-31T09:00:00.000+01:00"):
        answer = client.post("/jobs/digest/enable", {"until": until})
        assert answer.json["override"]["until"] == "2026-12-31T08:00:00Z"
