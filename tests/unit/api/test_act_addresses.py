"""From where an act came: the other end of the connection at each door, and nothing that a header claims."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from app import app
from chalicelib.api.auth import internal_token
from chalicelib.model.acts import Door
from chalicelib.store import audit_log
from chalicelib.store.audit_log import Entry
from chalicelib.wiring import Sauron
from sauron.gateway import Gateway
from tests.conftest import ManualClock, define
from tests.unit.api.conftest import Build

TOKEN, SECRET = "operate-token-1", "the secret of the hook"
ADDRESS = "2001:db8:1:2:3:4:5:6"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def guarded(build: Build, clock: ManualClock) -> Sauron:
    made = build(
        SAURON_API_TOKENS=f"jarvis:operate:{TOKEN}",
        SAURON_GIT_WEBHOOK_SECRET=SECRET,
        JOBS_GIT_REPO_URL="/no/such/repository",
        JOBS_GIT_BRANCH="main",
    )
    define(made.store, clock, "backup", "0 3 * * *")
    return made


def send(
    path: str, body: bytes, kind: str = "application/json", *, source_ip: str = ADDRESS, **headers: str
) -> int:
    forged = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1", "X-Real-IP": "198.51.100.1"}
    sent = {"Host": "sauron:8080", "Content-Type": kind, **forged}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Gateway(app).handle("POST", path, sent, body, source_ip=source_ip).status


def last(sauron: Sauron) -> Entry:
    with sauron.store.read() as tx:
        return audit_log.entries(tx, limit=1)[0]


def called(**arguments: Any) -> bytes:
    params = {"name": "trigger", "arguments": {"apply": True, "reason": "r", **arguments}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


BEARER = {"Authorization": f"Bearer {TOKEN}"}
PUSH = json.dumps({"ref": "refs/heads/main", "after": "c" * 40, "deleted": False}).encode()
SIGNED = {
    "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), PUSH, hashlib.sha256).hexdigest()}",
    "X-GitHub-Event": "push",
}


@pytest.mark.parametrize(
    ("path", "body", "kind", "headers", "door", "act"),
    [
        ("/jobs/backup/trigger", b"{}", "application/json", BEARER, Door.HTTP, "trigger"),
        ("/jobs/no-such/trigger", b"{}", "application/json", BEARER, Door.HTTP, "trigger"),
        ("/ui/jobs/backup/trigger", b"confirm=yes", FORM, BEARER, Door.PAGE, "trigger"),
        ("/ui/jobs", b"act=disable&job=backup&confirm=yes", FORM, BEARER, Door.PAGE, "disable"),
        ("/ui/sign-in", b"token=wrong", FORM, {}, Door.PAGE, "sign_in"),
        ("/ui/sign-in", f"token={TOKEN}".encode(), FORM, {}, Door.PAGE, "sign_in"),
        ("/mcp", called(job_id="backup"), "application/json", BEARER, Door.MCP, "trigger"),
        ("/mcp", called(job_id="no-such"), "application/json", BEARER, Door.MCP, "trigger"),
        ("/hooks/git", PUSH, "application/json", SIGNED, Door.HOOK, "sync"),
    ],
)
def test_an_act_over_the_network_has_the_address_of_its_connection(
    guarded: Sauron, path: str, body: bytes, kind: str, headers: dict[str, str], door: Door, act: str
) -> None:
    accept = {"Accept": "application/json, text/event-stream"}
    assert send(path, body, kind, **accept, **headers) < 500
    entry = last(guarded)
    assert (entry.door, entry.act, entry.address) == (door, act, ADDRESS)


@pytest.mark.parametrize("path", ["/jobs/backup/trigger", "/mcp"])
def test_this_machines_command_line_has_no_address(guarded: Sauron, path: str) -> None:
    body = called(job_id="backup") if path == "/mcp" else b"{}"
    accept = {"Accept": "application/json, text/event-stream"}
    assert (
        send(path, body, source_ip="127.0.0.1", Authorization=f"Bearer {internal_token()}", **accept) == 200
    )
    assert last(guarded).address is None


@pytest.mark.parametrize(
    ("source", "shown"), [("::ffff:192.0.2.7", "192.0.2.7"), ("fe80::1%eth0", "fe80::1%eth0"), ("", None)]
)
def test_an_ipv4_address_is_told_as_one_and_none_as_none(
    guarded: Sauron, source: str, shown: str | None
) -> None:
    assert send("/jobs/backup/trigger", b"{}", source_ip=source, **BEARER) == 200
    assert last(guarded).address == shown
