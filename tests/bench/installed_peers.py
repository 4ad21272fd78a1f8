"""The queues that Sauron is compared with: installed by pip into a folder of their own, and run there.

`PEERS_PYTHON` names an interpreter that has them already. Without it `.bench-peers` is made once beside the
checkout. Where they cannot be installed, the benches say so and measure the rest.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.bench.measuring import ROOT

FOLDER = ROOT / ".bench-peers"
VERSIONS = {
    "huey": "3.5.4",
    "persist-queue": "1.1.0",
    "litequeue": "0.9",
    "procrastinate": "3.10.0",
    "pgqueuer": "1.6.0",
    "celery": "5.7.0",
    "rq": "3.0.0",
}
BESIDE = ("psycopg[binary,pool]==3.3.9", "asyncpg==0.32.0", "redis==8.1.0")


@functools.cache
def python() -> str | None:
    """The interpreter that has the peers, or None."""
    if given := os.environ.get("PEERS_PYTHON"):
        return given
    found = FOLDER / "bin" / "python"
    if not (FOLDER / ".installed").exists():
        sys.stderr.write(f"Installing {', '.join(VERSIONS)} into {FOLDER}\n")
        venv.create(FOLDER, with_pip=True, clear=True)
        wanted = [*(f"{name}=={version}" for name, version in VERSIONS.items()), *BESIDE]
        command = [str(found), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
        try:
            subprocess.run(command, check=True, timeout=600)
        except subprocess.SubprocessError:
            sys.stderr.write("The peers could not be installed, so they are not compared.\n")
            return None
        (FOLDER / ".installed").touch()
    return str(found)


def rate(name: str, count: int, where: str | None = None) -> float:
    """Jobs a second of a peer that takes one at a time. `where` is a server; else it gets a folder."""
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as folder:
        said = _ask("peers.py", name, where or folder, str(count))
    _durability[name] = said["durability"]
    return float(said["rate"])


def redis_rate(peer: str, url: str, count: int) -> float:
    """Tasks a second of a peer on Redis: `celery`, `celery-once` or `rq`."""
    return float(_ask("redis_peers.py", "rate", peer, url, str(count))["rate"])


_durability: dict[str, str] = {}


def durability(name: str) -> str:
    """What a peer promises of an end that it reported, once it was measured."""
    return _durability.get(name, "")


def label(name: str) -> str:
    """The name of a peer with the version that is measured."""
    return f"{name} {VERSIONS[name]}"


def _ask(script: str, *arguments: str) -> dict[str, str]:
    if python() is None:
        raise RuntimeError("the peers could not be installed: pip says why above")
    command = [str(python()), str(Path(__file__).with_name(script)), *arguments]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [""])[-1]
        raise RuntimeError(f"{script} ended with exit code {answer.returncode}. {last}".strip())
    said: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
    return said
