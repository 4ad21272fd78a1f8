"""Where a secret must not be: answers, logs, files, command lines.

Each secret is a value found nowhere by chance.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from tests.attack.judge import Kind
from tests.attack.target import Target, canary, command_lines
from tests.attack.wire import request
from tests.e2e.outside import environ_of, wait_for

# A git address on this machine where nothing listens: the fetch fails, and says why.
NOWHERE = "https://me:{secret}@127.0.0.1:9/team/jobs.git"


def spellings(secret: str) -> list[bytes]:
    """Return a secret as it is, and as it is often written."""
    raw = secret.encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), quote(secret).encode()]


def find(kind: Kind, canaries: Mapping[str, str], place: str, text: bytes) -> None:
    """Note for each secret whether it is in a text."""
    for name, secret in canaries.items():
        there = any(form in text for form in spellings(secret))
        kind.note(f"{name} in {place}", "it is there" if there else None)


def of_server(target: Target, kind: Kind) -> None:
    """Have a job tell its secret and fail, ask for all that is shown, and look everywhere."""
    assert target.served is not None
    run = target.ask("POST", "/jobs/tells/trigger")["queue_id"]
    wait_for(lambda: target.ask("GET", f"/runs/{run}")["finished_at"], what="the run is over")
    token = target.tokens["admin"]
    for path in (
        "/",
        "/status",
        "/jobs",
        "/alerts",
        "/audit",
        "/ready",
        f"/runs/{run}",
        f"/runs/{run}/log",
        f"/ui/runs/{run}",
        f"/ui/runs/{run}/log",
    ):
        for accept in ("application/json", "text/html"):
            basic = base64.b64encode(f"me:{token}".encode()).decode()
            signed_in = f"Basic {basic}" if path.startswith("/ui") or path == "/" else f"Bearer {token}"
            headers = [f"Authorization: {signed_in}", f"Accept: {accept}"]
            target.aim.send(request("GET", path, *headers, host=target.host))
    shown = target.ask("GET", f"/runs/{run}")
    masked = shown["state"] == "failed" and "***" in shown["error"]
    kind.note("the job failed with its secret masked", None if masked else f"the control failed: {shown}")
    find(kind, target.canaries, "all answers of this run", b"\n".join(target.aim.seen))
    find(kind, target.canaries, "the log", target.served.logged().encode())
    find(kind, target.canaries, "the banner", target.served.said().encode())
    find(kind, target.canaries, "command lines", command_lines())
    for file in _files(target.served.folder):
        find(kind, target.canaries, file.name, file.read_bytes())


def of_git(folder: Path, kind: Kind) -> None:
    """Sync from an address with a password, and with a token, that cannot be reached."""
    for name in ("the password of an address", "a git token"):
        secret = {name: canary("git")}
        home = folder / name.replace(" ", "-")
        home.mkdir()
        with_token = name == "a git token"
        url = NOWHERE.replace("me:{secret}@", "") if with_token else NOWHERE.format(secret=secret[name])
        environ = environ_of(
            JOBS_GIT_REPO_URL=url, **({"JOBS_GIT_TOKEN": secret[name]} if with_token else {})
        )
        with (home / "said.txt").open("wb") as said:
            command = [sys.executable, "-m", "sauron.cli", "sync"]
            process = subprocess.Popen(command, cwd=home, env=environ, stdout=said, stderr=said)
            seen = b""
            while process.poll() is None:
                seen += command_lines()
                time.sleep(0.02)
        kind.note(f"{name}: the sync fails", None if process.returncode == 1 else "the control failed")
        find(kind, secret, "command lines", seen)
        for file in _files(home):
            find(kind, secret, file.name, file.read_bytes())


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield file
