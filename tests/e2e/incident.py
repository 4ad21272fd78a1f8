"""An incident that an assistant mends, by a real MCP client and a real Sauron: what docs/assistant.md shows.

`python -m tests.e2e.incident` writes the transcript into the page anew; a test compares the two.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.outside import Repository, Served, start, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "assistant.md"
BEGIN, END = "<!-- transcript: python -m tests.e2e.incident -->", "<!-- end of transcript -->"
TOKEN = "a-token-of-the-assistant"
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry

PRICES = {"apples": 2, "pears": 3}

def report():
    print("adding up", *PRICES)
    print("total:", PRICES["KEY"])

job_registry.register(
    JobConfig(id="report", cron="0 8 * * *", func=report, max_attempts=1, secrets=[])
)
"""
# What a reader of the page needs of each result; the rest is left out there.
SHOWN = {
    "overview": ("well", "problems"),
    "why": ("answer", "sentence"),
    "job": ("enabled", "schedule_text"),
    "run_log": ("state", "log"),
    "set_enabled": ("enabled",),
    "plan": ("jobs", "problems"),
    "sync": ("message",),
    "retry": ("state",),
}


@asynccontextmanager
async def connected(url: str, token: str, mode: Any = "auto") -> Any:
    """A client as any program makes one: an address and a bearer token."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


class Transcript:
    """Calls tools and notes what was asked and said."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.parts: list[str] = []

    async def call(self, name: str, **given: Any) -> dict[str, Any]:
        said = await self._client.call_tool(name, given)
        facts: dict[str, Any] = said.structured_content
        first: Any = said.content[0]
        text: str = first.text.splitlines()[0]
        keys = ("error",) if said.is_error else SHOWN[name]
        shown = {key: facts[key] for key in keys if key in facts}
        self.parts.append(f"> {name} {json.dumps(given)}\n{text}" + "".join(_lines(shown)))
        return facts

    def note(self, words: str) -> None:
        self.parts.append(f"({words})")


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    for key, value in shown.items():
        yield f"\n  {key}: {value.rstrip() if isinstance(value, str) else json.dumps(value)}"


async def mend(served: Served, repository: Repository, run_id: str) -> list[str]:
    """Go through the incident; return what was asked and said, in order."""
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
    async with connected(served.url, TOKEN) as client:
        talk = Transcript(client)
        await talk.call("overview")
        await talk.call("why", job_id="report")
        await talk.call("job", job_id="report")
        await talk.call("run_log", run_id=run_id)
        off = {"job_id": "report", "enabled": False, "until": until}
        await talk.call("set_enabled", **off)
        await talk.call("set_enabled", **off, apply=True, reason="it asks for a price that is not there")
        talk.note("a person, or the assistant itself, pushes the fix to the branch main")
        repository.commit({"manifest.py": MANIFEST.replace('PRICES["KEY"]', "sum(PRICES.values())")})
        await talk.call("plan", ref="main", days=1)
        await talk.call("sync", apply=True, reason="the fix of report")
        await talk.call("retry", run_id=run_id)
        on = {"job_id": "report", "enabled": True}
        await talk.call("set_enabled", **on, apply=True, reason="the fix is active")
        again = await talk.call("retry", run_id=run_id, apply=True, reason="today's report is missing")
        await anyio.to_thread.run_sync(served.ended, again["run_id"])
        await talk.call("run_log", run_id=again["run_id"])
        await anyio.to_thread.run_sync(until_well, served)
        await talk.call("overview")
    return talk.parts


def until_well(served: Served) -> None:
    wait_for(lambda: not served.http.get("/alerts").json()["open"], what="the incident is over")


def incident(served: Served, repository: Repository) -> str:
    """Let the job fail, mend it, and return the transcript as the page shows it."""
    run_id = served.trigger("report")
    assert served.ended(run_id)["state"] == "failed"
    wait_for(lambda: served.http.get("/alerts").json()["open"], what="the incident is open")
    return steady("\n\n".join(anyio.run(mend, served, repository, run_id)))


def steady(text: str) -> str:
    """Return a transcript with the same ids and times each day."""
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"01a2-run-{len(names) + 1}")

    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", named, text)
    text = re.sub(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b", "5f3c1b7a9d2e", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "2026-03-02T10:00:00Z", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "2026-03-02 10:00 UTC", text)
    text = re.sub(r"in \d+ h( \d+ min)?|in \d+ min( \d+ s)?", "in 22 h", text)
    text = re.sub(r"/\S+/revisions/[^/\s]+/", "", text)
    return re.sub(r"(?m)^ *[~^]+\n", "", text)  # Pythons mark a fault differently


def begin(folder: Path) -> tuple[Served, Repository]:
    """Start Sauron over a bundle whose job has a fault."""
    repository = Repository(folder / "bundle")
    repository.commit({"manifest.py": MANIFEST})
    tokens = f"jarvis:operate:{TOKEN}"
    served = start(
        folder / "home",
        JOBS_GIT_REPO_URL=str(repository.folder),
        JOBS_REFRESH_INTERVAL_SECONDS="0",
        SAURON_API_TOKENS=tokens,
    ).until_ready(Authorization=f"Bearer {TOKEN}")
    status = lambda: served.http.get("/status").json()["git_sync_status"]["current_sha"]  # noqa: E731
    wait_for(status, what="a revision is active")
    return served, repository


def on_page() -> str:
    """Return the transcript that the page shows."""
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(f"{BEGIN}\n```\n")[2].partition(f"\n```\n{END}")[0]


def main() -> None:
    """Write the transcript into the page."""
    with tempfile.TemporaryDirectory() as folder:
        served, repository = begin(Path(folder))
        try:
            said = incident(served, repository)
        finally:
            served.close()
    PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(on_page(), said), encoding="utf-8")


if __name__ == "__main__":
    main()
