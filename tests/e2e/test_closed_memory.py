"""A job that is not root reads no secret from the memory or environment of what started it."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.outside import Repository, Served, environ_of

PR_CAPBSET_DROP, LAST_CAPABILITY = 24, 63
SECRET = "hunter2-and-more"
LOOK = """
import os
import subprocess
from pathlib import Path

from sauron_jobs_loader import JobConfig, job_registry


def look():
    seen, pid = {}, os.getppid()
    while pid > 1:
        for name in ("environ", "mem", "maps"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    text = b"" if name == "mem" else file.read()
                seen[f"{name} {pid}"] = "hunter2" in text.decode(errors="replace")
            except PermissionError:
                seen[f"{name} {pid}"] = None
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    child = subprocess.run(["cat", "/proc/self/environ"], capture_output=True)
    return {"seen": seen, "own": child.returncode == 0 and os.access("/proc/self/environ", os.R_OK)}


job_registry.register(JobConfig(id="look", cron="0 0 1 1 *", func=look))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bundle."""
    Repository(tmp_path / "bundle").commit({"manifest.py": LOOK})
    return tmp_path


def _as_any_user() -> None:
    """Take away for good what root may do more than any other user, such as look into every process."""
    prctl = ctypes.CDLL(None).prctl
    for capability in range(LAST_CAPABILITY + 1):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environ = environ_of(
        JOBS_DIR=str(folder / "state"),
        JOBS_GIT_REPO_URL=str(folder / "bundle"),
        SAURON_API_TOKENS=f"ops:admin:{SECRET}",
        API_HOST="127.0.0.1",
        API_PORT="0",
    )
    with (folder / "stdout.txt").open("w") as out, (folder / "stderr.txt").open("w") as err:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environ,
            stdout=out,
            stderr=err,
            preexec_fn=_as_any_user,  # noqa: PLW1509 - system calls only
        )


def refused_to_the_job(seen: dict[str, bool | None]) -> None:
    assert None in seen.values(), "the process that started it was not looked at"
    assert not [what for what, found in seen.items() if found], "a secret was read"


def test_a_job_of_a_runner_cannot_look_into_it(folder: Path) -> None:
    served = Served(folder, {}, started(folder, "-m", "sauron.main"))
    try:
        served.until_ready(Authorization=f"Bearer {SECRET}")
        served.http.post("/sync").raise_for_status()
        run = served.ended(served.trigger("look"))
        assert served.stop() == 0
    finally:
        served.close()
    assert run["error"] is None
    refused_to_the_job(run["result"]["seen"])
    assert run["result"]["own"] is True


def test_a_job_that_is_run_directly_cannot_look_into_the_command(folder: Path) -> None:
    process = started(folder, "-m", "sauron.cli", "run", "look", "--direct", "--json")
    assert process.wait(60) == 0, (folder / "stderr.txt").read_text()
    refused_to_the_job(json.loads((folder / "stdout.txt").read_text())["result"]["seen"])
