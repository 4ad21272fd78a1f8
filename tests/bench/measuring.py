"""What every bench needs: a bundle of trivial jobs, a Sauron that runs it, a line of the answer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "container")]

MANIFEST = """
import time
from sauron_jobs_loader import JobConfig, job_registry

def stamp():
    return {"at": time.time()}

job_registry.register(JobConfig(id="stamp", cron="0 0 1 1 *", func=stamp))
job_registry.register(JobConfig(id="noop", cron="0 0 1 1 *", func=lambda: None, overlap="allow"))
"""


def bundle(folder: Path, manifest: str = MANIFEST) -> Path:
    """Write a bundle of trivial jobs in its own repository."""
    folder.mkdir(parents=True)
    (folder / "manifest.py").write_text(manifest)
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.test")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-qm", "jobs")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a Sauron that lives in `folder`."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {
        "JOBS_GIT_REPO_URL": str(folder / "bundle"),
        "API_PORT": "0",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": f"{ROOT}:{ROOT}/container",
    }
    return keep | own | more


class Server:
    """A running `python -m sauron.main`, spoken to over HTTP."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder
        began = time.perf_counter()
        self._output = folder / "output.txt"  # a pipe that is not read on would stop what writes into it
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sauron.main"],
                cwd=folder,
                env=environment(folder, **more),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._come_up(began)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _come_up(self, began: float) -> None:
        import httpx

        self.wait(lambda: self._url() or self.process.poll() is not None)
        self.http = httpx.Client(base_url=self._url(), timeout=30)
        self.wait(lambda: self.http.get("/health").status_code == 200)
        self.ready_seconds = time.perf_counter() - began
        self.wait(
            lambda: self.http.get("/status").json()["git_sync_status"]["current_sha"] is not None, seconds=300
        )

    def _url(self) -> str:
        whole = self._output.read_text("utf-8").splitlines(keepends=True)
        line = next((one for one in whole if "http://" in one and one.endswith("\n")), "")
        return line and "http://" + line.split("http://")[1].split()[0].rstrip("/.,")

    def wait(self, fact: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                raise TimeoutError(self.process.args)
            time.sleep(0.005)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def tree(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found


@contextlib.contextmanager
def serving(**more: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        folder = Path(name)
        bundle(folder / "bundle")
        server = Server(folder, **more)
        try:
            yield server
        finally:
            server.close()


def say(what: str, value: float, unit: str, beside: str = "") -> None:
    sys.stdout.write(f"{what:<58} {value:>10.1f} {unit:<10} {beside}\n")
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
