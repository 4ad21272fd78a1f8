"""A real MCP client on a real Sauron: the incident of docs/assistant.md, in both kinds of protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from tests.e2e import incident
from tests.e2e.outside import Repository, Served

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Served, Repository]]:
    served, repository = incident.begin(tmp_path)
    yield served, repository
    served.close()


def test_an_incident_is_mended_as_the_page_shows_it(stage: tuple[Served, Repository]) -> None:
    served, repository = stage
    assert incident.incident(served, repository) == incident.on_page()
    log = served.http.get("/audit-log", params={"door": "mcp"}).json()["entries"]
    assert [(one["who"], one["act"], one["outcome"]) for one in reversed(log)] == [
        ("jarvis", "disable", "done"),
        ("jarvis", "sync", "done"),
        ("jarvis", "enable", "done"),
        ("jarvis", "retry", "done"),
    ]
    assert all(one["reason"] for one in log)

    async def hello(mode: str) -> str:
        async with incident.connected(served.url, incident.TOKEN, mode) as client:
            assert not (await client.call_tool("job", {"job_id": "report"})).is_error
            return str(client.protocol_version)

    assert anyio.run(hello, "legacy") == HANDSHAKE_PROTOCOL_VERSIONS[-1]
    assert anyio.run(hello, "auto") == MODERN_PROTOCOL_VERSIONS[-1]
