"""The server that is attacked: a real `sauron serve` of this run, on a free port of loopback."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.attack.wire import Aim, request
from tests.e2e.outside import Repository, Served, environ_of, wait_for

SCOPES = ("read", "trigger", "operate", "admin")
MANIFEST = """
import os
from sauron_jobs_loader import JobConfig, job_registry

def hello():
    return {"status": "success", "summary": "said"}

def tells(ctx):
    print("the secret is", ctx.require_secret("DOOR_TOKEN"))
    raise ValueError(os.environ["DOOR_TOKEN"])

job_registry.register(JobConfig(id="hello", cron="0 8 1 1 *", func=hello, secrets=[]))
job_registry.register(JobConfig(
    id="tells", cron="0 8 1 1 *", func=tells, secrets=["DOOR_TOKEN"], max_attempts=1))
"""


def canary(name: str) -> str:
    """Return a value that is nowhere by chance."""
    return f"{name}-{secrets.token_hex(16)}"


@dataclass
class Target:
    """A running server and what the attacker and the judge know of it."""

    aim: Aim
    tokens: dict[str, str]  # by scope; none: the API is open
    canaries: dict[str, str] = field(default_factory=dict)  # by the name of the secret
    served: Served | None = None

    @property
    def host(self) -> str:
        return self.aim.authority

    def ask(self, method: str, path: str, body: Any = None, *headers: str) -> Any:
        """Ask as the operator and return the JSON of the answer."""
        raw = b"" if body is None else json.dumps(body).encode()
        kind = ["Content-Type: application/json"] if raw else []
        token = self.tokens.get("admin")
        (answer,) = self.aim.send(
            request(method, path, *kind, *headers, host=self.host, token=token, body=raw)
        )
        return json.loads(answer.body)

    def facts(self) -> dict[str, Any]:
        """Return what no refused request may change."""
        status = self.ask("GET", "/status")
        runs = self.ask("GET", "/runs?limit=200")["runs"]
        jobs = self.ask("GET", "/jobs")["jobs"]
        runners = [(one["name"], one.get("draining")) for one in status["runners"]]
        return {
            "runs": [run["id"] for run in runs if run["origin"] in {"trigger", "retry"}],
            "jobs": [(job["id"], job["enabled"], job["override"]) for job in jobs],
            "bundle": (status["git_sync_status"]["current_sha"], status["git_sync_status"]["pinned_ref"]),
            "runners": runners,
        }


@contextlib.contextmanager
def serving(folder: Path, *, guarded: bool) -> Iterator[Target]:
    """Start a server over a small bundle; with `guarded` it has a token of each scope, else it is open."""
    repository = Repository(folder / "bundle")
    repository.commit({"manifest.py": MANIFEST})
    tokens = {scope: canary(scope) for scope in SCOPES} if guarded else {}
    door, hook = canary("door"), canary("hook")
    environ = environ_of(
        API_PORT="0",
        JOBS_GIT_REPO_URL=str(repository.folder),
        JOBS_REFRESH_INTERVAL_SECONDS="0",
        DOOR_TOKEN=door,
        SAURON_ALERT_WEBHOOK_URL=f"http://127.0.0.1:9/{hook}",
        **({"SAURON_API_TOKENS": ",".join(f"{s}:{s}:{t}" for s, t in tokens.items())} if guarded else {}),
    )
    home = folder / "home"
    home.mkdir()
    with (home / "stdout.txt").open("wb") as out, (home / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "sauron.cli", "serve"],
            cwd=home,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    served = Served(home, environ, process)
    try:
        served.until_ready(**({"Authorization": f"Bearer {tokens['admin']}"} if guarded else {}))
        place = urlsplit(served.url)
        canaries = {f"the token of scope {scope}": value for scope, value in tokens.items()}
        canaries |= {"a job's secret": door, "the address of the webhook": hook}
        target = Target(Aim(str(place.hostname), int(place.port or 0)), tokens, canaries, served)
        wait_for(lambda: target.facts()["bundle"][0], what="a revision is active")
        yield target
    finally:
        served.close()


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def command_lines() -> bytes:
    """Return the command lines of all processes that can be seen, as `ps` shows them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes())
        except OSError:  # it has ended
            continue
    return b"\n".join(found)
