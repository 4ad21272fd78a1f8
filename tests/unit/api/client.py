"""A client of the real application that calls it as a gateway does; each response must be as documented."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalice.config import Config
from chalice.local import LocalGateway

import app as application
from chalicelib.model.runs import Run, Verdict
from chalicelib.store import log_chunks
from chalicelib.store.queue import claims, finish
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.documented import check


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.body
        said: dict[str, Any] = json.loads(self.body)
        assert {"type", "title", "status", "detail"} <= set(said)
        assert said["status"] == self.status
        return said


class Client:
    """A client of the API that sends `headers` with every request."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        self.gateway = LocalGateway(application.app, Config())

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"Host": "sauron:8080", **self.headers, **(headers or {})}
        got = self.gateway.handle_request(method, path, sent, body)
        flat = {name.lower(): str(value) for name, value in got["headers"].items()}
        check(method, path, got["statusCode"], flat, got["body"])
        return Answer(got["statusCode"], flat, got["body"])

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=_named(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        raw = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self.ask("POST", path, raw, kind | _named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def bearer(token: str) -> Client:
    return Client({"Authorization": f"Bearer {token}"})


def basic(token: str) -> Client:
    return Client({"Authorization": "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()})


def confirm(client: Client, path: str) -> Answer:
    """Send the form of an act that asks once more, as its own page sends it."""
    return client.ask("POST", path, b"confirm=yes", {"Content-Type": "application/x-www-form-urlencoded"})


def trigger(client: Client) -> str:
    """Trigger the nightly backup and return the run's id."""
    return str(client.post("/jobs/nightly-backup/trigger", {"params": {"n": 1}}).json["queue_id"])


def execute(
    sauron: Sauron,
    clock: ManualClock,
    verdict: Verdict,
    *,
    wrote: Sequence[str] = (),
    retry_in: timedelta | None = None,
    seconds: float = 2,
) -> Run:
    """Execute the next due run as a worker would record it."""
    run = begin(sauron, clock, wrote=wrote)
    clock.move(seconds=seconds)
    with sauron.store.write() as tx:
        retry_at = clock.now() + retry_in if retry_in else None
        assert finish.finish(tx, run, verdict, owner="runner-1", now=clock.now(), retry_at=retry_at)
    return run


def begin(sauron: Sauron, clock: ManualClock, *, wrote: Sequence[str] = ()) -> Run:
    """Claim the next due run and let it write."""
    with sauron.store.write() as tx:
        run = claims.claim(tx, owner="runner-1", now=clock.now()).run
        assert run is not None
        log_chunks.append(tx, run.id, run.attempt, wrote, now=clock.now())
    return run
