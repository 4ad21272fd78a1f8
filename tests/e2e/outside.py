"""Sauron from outside: a real bundle repository, the real process on a free port, the real command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.e2e import warm
from tests.loopback import NO_TLS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

T = TypeVar("T")


def wait_for(
    fact: Callable[[], T | None],
    *,
    what: str,
    seconds: float = PATIENCE,
    seen: Callable[[], object] = lambda: "",
) -> T:
    """Wait until a fact holds and return it; a deadline that passes names it and what was `seen` instead."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} {seen()}"
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    """Say whether a process has ended, be it that nobody has asked how."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def environ_of(**more: str) -> dict[str, str]:
    """The environment of a process under test: of the tester's own, only what finds Python and git."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'container'}", "TZ": "UTC", **more}


def wheel(folder: Path, name: str, version: str, code: str) -> None:
    """Write a wheel as a bundle could carry it: a zip of one module and its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


@dataclass
class Repository:
    """A bundle's git repository."""

    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def commit(self, files: Mapping[str, str]) -> str:
        """Write files, commit everything, answer the commit's id."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / ".git").exists():
            self._git("init", "--quiet", "-b", "main")
        self.write(files)
        self._git("add", "--all")
        self._git(
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@localhost",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "change",
        )
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout


@dataclass
class Served:
    """A running `python -m sauron.main` over a folder of its own."""

    folder: Path
    environ: dict[str, str]
    process: warm.Process | subprocess.Popen[bytes]
    url: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=NO_TLS))

    def said(self) -> str:
        return (self.folder / "stdout.txt").read_text(encoding="utf-8")

    def logged(self) -> str:
        return (self.folder / "stderr.txt").read_text(encoding="utf-8")

    def until_listening(self, **headers: str) -> Served:
        """Wait until it says where it listens; it is asked with these headers from then on."""

        def address() -> str | None:
            assert self.process.poll() is None, f"it ended: {self.logged()}"
            found = re.search(r"page and API +(\S+)", self.said())
            return found[1] if found else None

        self.url = wait_for(address, what="an address is printed")
        self.http = httpx.Client(
            base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        )
        return self

    def until_ready(self, **headers: str) -> Served:
        """Wait until it answers /ready, asked with these headers from then on."""
        self.until_listening(**headers)
        wait_for(lambda: self.http.get("/ready").status_code == 200, what="/ready is 200")
        return self

    def until_synced(self, **headers: str) -> Served:
        """Wait until the first revision is active."""
        self.until_ready(**headers)
        wait_for(
            lambda: self.http.get("/status").json()["git_sync_status"]["current_sha"],
            what="a revision is active",
        )
        return self

    def trigger(self, job_id: str, **body: Any) -> str:
        answer = self.http.post(f"/jobs/{job_id}/trigger", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["queue_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/runs/{run_id}").json()
        return found

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait for a run's end and return it."""
        return wait_for(
            lambda: run if (run := self.run(run_id))["state"] not in {"queued", "running"} else None,
            what="the run is over",
            seen=lambda: f"{self.run(run_id)}\n{self.log(run_id)}\n{self.logged()}",
        )

    def log(self, run_id: str) -> str:
        return self.http.get(f"/runs/{run_id}/log").text

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


def begin(
    module: str,
    arguments: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    streams: list[int],
    *,
    within: Sequence[str] = (),
) -> warm.Process | subprocess.Popen[bytes]:
    """Start `python -m module`: from one that has imported it, unless the interpreter is to begin anew.

    `within` is a command that makes a world of its own for it and then becomes it.
    """
    usual = environ_of()
    own = {name for name in environ.keys() | usual if name.startswith(("PYTHON", "LD_"))}
    if not within and all(environ.get(name) == usual.get(name) for name in own):
        return warm.warm(*usual.items()).start(module, arguments, cwd, environ, streams)
    stdin, stdout, stderr = streams
    return subprocess.Popen(
        [*within, sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environ,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


Serve = Callable[..., Served]


def start(folder: Path, within: Sequence[str] = (), **environ: str) -> Served:
    """Start the process, `within` as for `begin`; a folder that was used before is a restart."""
    folder.mkdir(parents=True, exist_ok=True)
    known = environ_of(**{"API_PORT": "0", **environ})
    with (
        Path(os.devnull).open("rb") as nothing,
        (folder / "stdout.txt").open("wb") as out,
        (folder / "stderr.txt").open("wb") as err,
    ):
        streams = [nothing.fileno(), out.fileno(), err.fileno()]
        process = begin("sauron.main", [], folder, known, streams, within=within)
    return Served(folder, known, process)


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Said]


def command(home: Path, *arguments: str, seconds: float = 60, **environ: str) -> Said:
    """Run `sauron` as a process in a folder."""
    home.mkdir(exist_ok=True)
    with (
        Path(os.devnull).open("rb") as nothing,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        streams = [nothing.fileno(), out.fileno(), err.fileno()]
        process = begin("sauron.cli", arguments, home, environ_of(**environ), streams)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        for stream in (out, err):
            stream.seek(0)
        return Said(code, out.read().decode(), err.read().decode())


SAMPLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.sample import children, fails, greet, hello, slow

job_registry.register(
    JobConfig(id="hello", cron="0 8 1 1 *", func=hello, tags=["t"], project="p", description="Says so"))
job_registry.register(JobConfig(id="greet", cron="0 9 * * 1-5", func=greet, timezone="Europe/Berlin", params={
    "type": "object", "properties": {
        "name": {"type": "string", "default": "you"}, "times": {"type": "integer", "maximum": 5}},
    "required": ["name"], "additionalProperties": False}))
job_registry.register(JobConfig(id="fails", cron="0 8 1 * *", func=fails, max_attempts=1))
job_registry.register(JobConfig(id="slow", cron="0 8 1 * *", func=slow, max_attempts=1))
job_registry.register(
    JobConfig(id="children", cron="0 8 1 * *", func=children, max_attempts=1, timeout_seconds=600))
job_registry.register(JobConfig(id="listing", cron="@hourly", command=["ls"]))
job_registry.register(JobConfig(id="idle", cron="@daily", func=hello, enabled=False))
""",
    "jobs/sample.py": """
import os, pathlib, subprocess, sys, time

def hello():
    print("hello from", os.environ["SAURON_RUN_ID"])
    return {"status": "success", "summary": "said"}

def greet(ctx):
    for _ in range(ctx.params.get("times", 1)):
        print("good day,", ctx.params["name"])

def fails():
    print("before the end")
    raise ValueError("it was not meant to be")

def slow():
    print("begun", flush=True)
    end = time.monotonic() + 30
    while time.monotonic() < end and not pathlib.Path(os.environ.get("GO_FILE", "/nonexistent")).exists():
        time.sleep(0.02)
    print("ended")

def children():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("pids", os.getpid(), child.pid, flush=True)
    print("files", *sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                           if os.path.exists(f"/proc/self/fd/{n}")
                           or os.path.islink(f"/proc/self/fd/{n}")), flush=True)
    time.sleep(600)
""",
}
