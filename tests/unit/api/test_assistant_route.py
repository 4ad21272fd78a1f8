from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Answer, Client, bearer
from tests.unit.api.conftest import Build

TOKENS = "grafana:read:read-token-1,bot:trigger:trigger-token-1,jarvis:operate:operate-token-1"
OPERATE = "operate-token-1"
ROOT = Path(__file__).parents[3]
WITHOUT_MCP = """
import sys
sys.modules["mcp"] = None  # as if it were not installed
from chalice.config import Config
from chalice.local import LocalGateway
import app
from chalicelib.settings import Settings
from chalicelib.wiring import LAMBDA, PROCESS, build

folder = sys.argv[1]
store = {"JOB_QUEUE_DB_URL": f"sqlite:///{folder}/store.sqlite3", "JOBS_DIR": f"{folder}/jobs"}
PROCESS.set(build(Settings.read(store), runtime=LAMBDA))
gateway = LocalGateway(app.app, Config())
headers = {"Host": "127.0.0.1:8080", "Content-Type": "application/json"}
for method, path, body in (("POST", "/mcp", b"{}"), ("GET", "/jobs", None)):
    got = gateway.handle_request(method, path, headers, body)
    print(got["statusCode"], got["body"])
"""
TYPES = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture
def guarded(build: Build, clock: ManualClock) -> Sauron:
    made = build(SAURON_API_TOKENS=TOKENS)
    define(made.store, clock, "backup", "0 3 * * *")
    return made


def send(message: Any, token: str = OPERATE, **headers: str) -> Answer:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return bearer(token).ask("POST", "/mcp", body, TYPES | named)


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


def hello(version: str) -> dict[str, Any]:
    return request(
        "initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "c", "version": "1"}
    )


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_every_protocol_with_a_handshake_is_spoken_without_a_session(guarded: Sauron, version: str) -> None:
    answer = send(hello(version))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert "mcp-session-id" not in answer.headers
    said = answer.json
    assert (said["id"], said["result"]["protocolVersion"]) == (7, version)
    assert said["result"]["serverInfo"]["name"] == "sauron"
    assert "apply: true" in said["result"]["instructions"]
    done = send({"jsonrpc": "2.0", "method": "notifications/initialized"}, MCP_Protocol_Version=version)
    assert (done.status, done.body) == (202, "")
    listed = send(request("tools/list"), MCP_Protocol_Version=version).json
    assert {"overview", "rollback"} <= {tool["name"] for tool in listed["result"]["tools"]}


def test_an_unknown_version_is_answered_with_the_newest_that_has_a_handshake(guarded: Sauron) -> None:
    assert send(hello("1999-01-01")).json["result"]["protocolVersion"] == HANDSHAKE_PROTOCOL_VERSIONS[-1]
    refused = send(request("tools/list"), MCP_Protocol_Version="2999-01-01")
    assert refused.status == 400
    assert refused.json["error"]["code"] < 0


def test_todays_protocol_needs_no_handshake(guarded: Sauron) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    now = {"MCP_Protocol_Version": LATEST_MODERN_VERSION}
    found = send(request("server/discover", _meta=meta), **now, Mcp_Method="server/discover")
    assert found.status == 200
    assert LATEST_MODERN_VERSION in found.json["result"]["supportedVersions"]
    called = send(
        request("tools/call", name="job", arguments={"job_id": "backup"}, _meta=meta),
        **now,
        Mcp_Method="tools/call",
        Mcp_Name="job",
    )
    assert called.json["result"]["structuredContent"]["id"] == "backup"
    assert "backup is enabled" in called.json["result"]["content"][0]["text"]
    listed = send(request("tools/list", _meta=meta), **now, Mcp_Method="tools/list").json["result"]
    assert listed["cacheScope"] == "private"  # another token is offered others


@pytest.mark.parametrize(("token", "least", "most"), [("read-token-1", 5, 8), ("trigger-token-1", 6, 9)])
def test_tools_beyond_the_scope_are_not_listed_and_refused(
    guarded: Sauron, token: str, least: int, most: int
) -> None:
    tools = send(request("tools/list"), token).json["result"]["tools"]
    assert least <= len(tools) <= most
    assert "sync" not in {tool["name"] for tool in tools}
    said = send(request("tools/call", name="sync", arguments={"apply": True, "reason": "r"}), token).json
    assert said["result"]["isError"] is True
    assert "operate" in said["result"]["content"][0]["text"]
    (entry,) = bearer("read-token-1").get("/audit-log").json["entries"]
    assert (entry["door"], entry["act"], entry["outcome"]) == ("mcp", "sync", "refused")


def test_every_tool_describes_its_arguments(guarded: Sauron) -> None:
    for tool in send(request("tools/list")).json["result"]["tools"]:
        assert tool["description"]
        assert tool["inputSchema"]["type"] == "object"
        changes = "apply" in tool["inputSchema"]["properties"]
        assert changes == ("reason" in tool["inputSchema"]["properties"])
        assert tool["annotations"]["readOnlyHint"] is not changes


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"[]", 400, None),
        ({"jsonrpc": "2.0", "id": 1}, 400, None),
        (request("no/such"), 200, -32601),
        (request("tools/call"), 200, -32602),
        (request("tools/call", name="no_such", arguments={}), 200, -32602),
        (request("tools/call", name="job", arguments=[]), 200, -32602),
        (request("prompts/list"), 200, -32601),
    ],
)
def test_what_is_wrong_is_a_json_rpc_error(
    guarded: Sauron, message: Any, status: int, code: int | None
) -> None:
    answer = send(message)
    assert answer.status == status
    error = answer.json["error"]
    assert code in {None, error["code"]}
    assert isinstance(error["message"], str)


def test_wrong_arguments_are_the_tools_own_answer_so_that_a_model_mends_them(guarded: Sauron) -> None:
    said = send(request("tools/call", name="job", arguments={"jobid": "backup"})).json["result"]
    assert said["isError"] is True
    assert "job_id" in said["content"][0]["text"]


def test_the_door_has_the_locks_of_the_others(guarded: Sauron) -> None:
    assert Client().ask("POST", "/mcp", b"{}", TYPES).status == 401
    assert send(hello("2025-11-25"), "wrong-token").status == 401
    assert bearer("operate-token-1").get("/mcp").status == 405
    assert send(hello("2025-11-25"), Origin="https://evil.example").status == 403
    assert send(b" " * (65 << 10)).status == 413
    assert send(hello("2025-11-25"), Accept="text/plain").status == 406


@pytest.mark.process
@pytest.mark.slow
def test_without_the_package_the_door_says_what_to_install(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "store.sqlite3")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MCP, tmp_path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    (refused, problem), (listed, _) = (line.split(" ", 1) for line in done.stdout.splitlines())
    assert (refused, listed) == ("501", "200")
    assert "sauron[container]" in json.loads(problem)["detail"]
