"""What the parity suite asks of a Sauron, wherever its handlers run.

A target is one installation: settings, a store, one address or several. It is started, stopped, killed and
started again over the same state; everything else is asked over HTTP, and the ledger is held against the
schedule by `sauron audit` on its store. The suite runs beside it on one machine: it looks into /proc for
processes that jobs left.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.conftest import Databases
from tests.e2e.outside import Said, T, command, wait_for
from tests.loopback import NO_TLS

ADMIN = "parity-admin-token"
OPEN_STATES = frozenset({"queued", "running"})
# A worker reads the time before it asks the store for a run; an end that the store then has may be later.
ASKED_BEFORE = timedelta(seconds=1)


def started_after(run: dict[str, Any], before: dict[str, Any]) -> bool:
    """Say whether a run started once another had ended."""
    started, ended = (datetime.fromisoformat(one) for one in (run["started_at"], before["finished_at"]))
    return started > ended - ASKED_BEFORE


class Target(ABC):
    """One Sauron from outside. Requests go to its addresses in turn."""

    name: ClassVar[str]  # its column in the README's table
    patience: ClassVar[float] = 20.0  # seconds in which a fact that needs no minute's clock comes true

    def __init__(self, home: Path, databases: Databases) -> None:
        """Take a folder of its own, and where to get a new PostgreSQL database."""
        self.home = home
        self.databases = databases
        self.environ: dict[str, str] = {}
        self._turn = itertools.count()
        self._client = httpx.Client(timeout=40, trust_env=False, verify=NO_TLS)

    # -- what each target does in its own way -----------------------------------------------------

    @abstractmethod
    def start(self, **environ: str) -> None:
        """Start over the existing state with these settings and secrets; return once GET /ready is 200.

        `environ` holds what an operator would set: JOBS_GIT_REPO_URL (http on loopback), JOBS_GIT_TOKEN,
        SAURON_API_TOKENS, SAURON_KILL_GRACE_SECONDS, ... and what jobs expect to find. Keep it in
        `self.environ`: `restart` starts with it again.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop in an orderly way, the clock included; nothing of it runs when this returns."""

    @abstractmethod
    def kill(self) -> None:
        """End every process at once, as a power cut would; jobs may take a moment longer."""

    @abstractmethod
    def close(self) -> None:
        """End whatever runs and free what was taken."""

    @abstractmethod
    def tick_now(self) -> None:
        """Wait until one whole pass of the clock (tick, sync, upkeep) began and ended after this call."""

    @property
    @abstractmethod
    def urls(self) -> Sequence[str]:
        """Where it answers: one address, or one per runner."""

    @property
    @abstractmethod
    def store_url(self) -> str:
        """JOB_QUEUE_DB_URL as the command line on this machine takes it."""

    @property
    @abstractmethod
    def written(self) -> str:
        """Everything its processes have printed and logged so far."""

    # -- what the suite uses ----------------------------------------------------------------------

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start(**self.environ)

    def ask(self, method: str, path: str, *, token: str | None = ADMIN, **options: Any) -> httpx.Response:
        """Send one request to the address whose turn it is."""
        urls = self.urls
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return self._client.request(
            method, urls[next(self._turn) % len(urls)] + path, headers=headers, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        """GET something that is there and return its JSON."""
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        """POST what is accepted and return its JSON."""
        answer = self.ask("POST", path, json=body or {}, **options)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def until(self, fact: Callable[[], T | None], what: str, *, more: float = 0.0) -> T:
        """Wait until a fact holds, for the patience of this target and `more` seconds."""
        return wait_for(fact, what=f"{what} ({self.name})", seconds=self.patience + more)

    def trigger(self, job_id: str, **body: Any) -> str:
        """Ask for a run and return its id."""
        return str(self.post(f"/jobs/{job_id}/trigger", body)["queue_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as it is now."""
        found: dict[str, Any] = self.get(f"/runs/{run_id}")
        return found

    def ended(self, run_id: str, *, more: float = 0.0) -> dict[str, Any]:
        """Wait for a run's end and return it."""
        return self.until(
            lambda: found if (found := self.run(run_id))["state"] not in OPEN_STATES else None,
            f"run {run_id} is over",
            more=more,
        )

    def log(self, run_id: str) -> str:
        """Return what a run wrote so far."""
        return self.ask("GET", f"/runs/{run_id}/log").text

    def audit(self) -> Said:
        """Hold the ledger against the schedule, by the command line."""
        return command(self.home, "--json", "audit", JOB_QUEUE_DB_URL=self.store_url)
