"""The surroundings of a target: a bundle served over http, a folder for its jobs, a receiver of alerts."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.outside import Repository
from tests.git_servers import GitHttpServer, serve_http
from tests.http_receiver import Receiver, receive

from .target import ADMIN, Target

BUNDLE = Path(__file__).parents[1] / "bundles" / "parity"
POLICIES = ("skip", "queue", "replace", "allow")
SECRET = "pa77y-s3cret/of+the&job"
GIT_TOKEN = "parity-git-token"
TOKENS = {"reader": "read", "starter": "trigger", "keeper": "operate", "owner": "admin"}


def token_of(name: str) -> str:
    """Return the token of one of the callers."""
    return ADMIN if name == "owner" else f"parity-{name}-token"


@dataclass
class World:
    """A started target, the bundle it follows, and what the suite has begun in it."""

    target: Target
    repository: Repository
    git: GitHttpServer
    receiver: Receiver
    folder: Path
    minute: datetime | None = None  # when the clock's jobs fire
    held: dict[str, str] = field(default_factory=dict)  # policy -> the run that was running then

    def commit(self, files: dict[str, str], *, without: tuple[str, ...] = ()) -> str:
        """Write the suite's bundle with these files changed and those removed, and return the commit."""
        for name in without:
            (self.repository.folder / name).unlink()
        return self.repository.commit(files)

    def manifest(self, *more: str, without: tuple[str, ...] = ()) -> str:
        """Return the manifest with lines added, and without the lines that hold certain words."""
        lines = (BUNDLE / "manifest.py").read_text(encoding="utf-8").splitlines()
        return "\n".join([*(line for line in lines if not any(word in line for word in without)), *more, ""])

    def synced(self, **body: Any) -> dict[str, Any]:
        """Sync and return the report, which is to be a success."""
        report: dict[str, Any] = self.target.post("/sync", body)
        assert report["success"], report
        return report

    def touch(self, name: str) -> None:
        """Let a job go on that waits for this file."""
        (self.folder / name).touch()


@contextmanager
def begin(target: Target, folder: Path, *, minute: bool) -> Iterator[World]:
    """Start a target over the suite's bundle; with `minute`, prepare for the clock's next minute."""
    root, jobs = folder / "served", folder / "files"
    for made in (root, jobs):
        made.mkdir()
    shutil.copytree(BUNDLE, root / "bundle", ignore=shutil.ignore_patterns("__pycache__"))
    repository = Repository(root / "bundle")
    repository.commit({})
    with serve_http(root, token=GIT_TOKEN) as git, receive() as receiver:
        world = World(target, repository, git, receiver, jobs)
        try:
            target.start(
                JOBS_GIT_REPO_URL=f"{git.url}/bundle/.git",
                JOBS_GIT_TOKEN=GIT_TOKEN,
                JOBS_REFRESH_INTERVAL_SECONDS="0",
                SAURON_API_TOKENS=",".join(
                    f"{name}:{scope}:{token_of(name)}" for name, scope in TOKENS.items()
                ),
                SAURON_KILL_GRACE_SECONDS="1",
                SAURON_ALERT_WEBHOOK_URL=receiver.url,
                PARITY_TOKEN=SECRET,
                PARITY_DIR=str(jobs),
            )
            world.synced()
            if minute:
                _prepare(world)
            yield world
        finally:
            target.close()


def _prepare(world: World) -> None:
    """Schedule the clock's jobs for a minute soon, with a run of each overlap policy in progress by then."""
    target = world.target
    while world.minute is None:
        # what starts cold is given time
        soon = _minute_after(datetime.now(UTC) + timedelta(seconds=target.patience))
        daily = soon + timedelta(hours=12)
        world.commit(
            {"clock.json": json.dumps({"soon": f"{soon:%M %H} * * *", "daily": f"{daily:%M %H} * * *"})}
        )
        world.synced()
        held = {
            policy: target.trigger(f"over-{policy}", params={"until": f"over-{policy}"})
            for policy in POLICIES
        }
        for run_id in held.values():
            target.until(lambda run_id=run_id: "began" in target.log(run_id), "what is to be met runs")  # type: ignore[misc]
        target.until(  # the ledger looks a minute and a half ahead; a job disabled before has no occurrence
            lambda soon=soon: _queued(target, "off", soon),  # type: ignore[misc]
            "the occurrence to be skipped is queued",
            more=60,
        )
        if datetime.now(UTC) < soon - timedelta(seconds=2):
            world.minute, world.held = soon, held
            target.post("/jobs/off/disable", {"reason": "before its time"})
        for policy in POLICIES if world.minute is None else ():
            world.touch(f"over-{policy}")
            target.ended(held[policy])
            (world.folder / f"over-{policy}").unlink()


def _queued(target: Target, job_id: str, minute: datetime) -> bool:
    runs = target.get(f"/runs?job_id={job_id}")["runs"]
    return any(datetime.fromisoformat(run["scheduled_for"]) == minute for run in runs)


def _minute_after(instant: datetime) -> datetime:
    return datetime.fromtimestamp(math.ceil(instant.timestamp() / 60) * 60, UTC)
