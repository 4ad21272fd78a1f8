from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client

JSON = {"Content-Type": "application/json"}
TRIGGER = "/jobs/nightly-backup/trigger"


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
        (b'{"params": {"n": ' + b"9" * 5000 + b"}}", "digits"),
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
        (TRIGGER, {"parms": {}}, "parms: this member does not exist here; send one of params, reason, force"),
        (TRIGGER, {"params": [1]}, "params: Input should be a valid dictionary"),
        (TRIGGER, {"force": "perhaps"}, "force: Input should be a valid boolean, unable to interpret input"),
        (TRIGGER, {"reason": "x" * 501}, "reason: String should have at most 500 characters"),
        ("/rollback", {"sha": "main"}, "sha: write a commit id of 7 to 40 hexadecimal digits"),
        ("/sync", {"ref": ""}, "ref: String should have at least 1 character"),
        (
            "/sync",
            {"accept_removals": 3},
            "accept_removals: Input should be a valid boolean, unable to interpret input",
        ),
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
