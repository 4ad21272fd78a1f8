"""One question through five doors: HTTP, the command line, MCP, the API's document and Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e import incident
from tests.e2e.outside import Served, command

pytestmark = [pytest.mark.process, pytest.mark.slow]

AT = "2027-03-02T08:00:00Z"
CHANGES = {"at", "facts", "sentence"}  # with the instant at which they are asked


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made, _ = incident.begin(tmp_path)
    yield made
    made.close()


def by_mcp(served: Served, **given: Any) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with incident.connected(served.url, incident.TOKEN) as client:
            found: dict[str, Any] = (await client.call_tool("why", given)).structured_content
            found.pop("untrusted")  # what an assistant is told about texts of others
            return found

    return anyio.run(ask)


def by_prometheus(served: Served) -> dict[str, float]:
    families = text_string_to_metric_families(served.http.get("/metrics").text)
    return {
        family.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels == {"job_id": "report"}
    }


def test_every_door_gives_the_same_answer(served: Served) -> None:
    token: dict[str, Any] = {"SAURON_URL": served.url, "SAURON_TOKEN": incident.TOKEN}
    here: dict[str, Any] = {name: value for name, value in served.environ.items() if name.isupper()}
    document = served.http.get("/openapi.json").json()
    shape = {"$ref": "#/components/schemas/Why", "components": document["components"]}
    for enabled in (True, False):
        served.http.post(f"/jobs/report/{'enable' if enabled else 'disable'}", json={}).raise_for_status()
        for at in (None, AT):
            query = {"at": at} if at else {}
            asked = ["--at", at] if at else []
            answers = {
                "http": served.http.get("/jobs/report/why", params=query).json(),
                "cli elsewhere": command(
                    served.folder / "elsewhere", "why", "report", *asked, "--json", **token
                ).json,
                "cli here": command(served.folder, "why", "report", *asked, "--json", **here).json,
                "mcp": by_mcp(served, job_id="report", **query),
            }
            told = {
                door: {name: value for name, value in one.items() if name not in CHANGES}
                for door, one in answers.items()
            }
            for door, answer in told.items():
                assert answer == told["http"], door
            jsonschema.Draft202012Validator(shape).validate(answers["http"])
            assert told["http"]["answer"] == ("due" if enabled else "disabled")
        metrics = by_prometheus(served)
        assert metrics["sauron_job_enabled"] == enabled
        if enabled:
            following = datetime.fromisoformat(served.http.get("/jobs/report/why").json()["occurrence"])
            assert datetime.fromtimestamp(metrics["sauron_job_next_run_timestamp_seconds"], UTC) == following
        else:
            assert "sauron_job_next_run_timestamp_seconds" not in metrics
