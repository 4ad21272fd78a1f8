"""A bundle in a temporary folder and a real launcher to run its jobs: what the loader's suites share."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

from chalicelib.execution.verdict import judge
from chalicelib.model.runs import Verdict
from sauron_jobs_loader.launch.launcher import Attempt, AttemptFacts, AttemptRequest, Launcher
from sauron_jobs_loader.launch.request import NOTHING_SECRET

SHA = "c0ffee" + "0" * 34
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
IMPORTS = (
    "import os, signal, subprocess, sys, threading, time\n"
    "from sauron_jobs_loader import JobConfig, job_registry\n"
)


def write_bundle(folder: Path, manifest: str, **modules: str) -> Path:
    """Write `manifest.py` and `jobs/<name>.py`."""
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    (folder / "manifest.py").write_text(dedent(manifest))
    for name, text in modules.items():
        (folder / "jobs" / f"{name}.py").write_text(dedent(text))
    return folder


def write_job(folder: Path, body: str, fields: str = "func=run") -> Path:
    """Write a bundle of one job `job`, whose module is `body`."""
    return write_bundle(
        folder,
        f"{IMPORTS}{dedent(body)}\njob_registry.register(JobConfig(id='job', cron='* * * * *', {fields}))\n",
    )


@dataclass
class Told:
    """What an attempt told its runner."""

    facts: AttemptFacts
    verdict: Verdict
    output: str
    progress: list[tuple[float, str]]


@dataclass
class Runs:
    """Runs jobs of one folder."""

    launcher: Launcher
    folder: Path
    spawn: bool
    state: dict[str, Any] = field(default_factory=dict)
    python: Path | None = None

    def start(self, job_id: str = "job", **changes: Any) -> Attempt:
        """Start an attempt; `changes` are fields of the request."""
        spawn = changes.pop("spawn", self.spawn)
        environ: Mapping[str, str] = changes.pop("environ", {})
        request = AttemptRequest(
            sha=changes.pop("sha", SHA),
            folder=self.folder,
            job_id=job_id,
            run_id="run-1",
            attempt=changes.pop("attempt", 1),
            scheduled_for=changes.pop("scheduled_for", None),
            params=changes.pop("params", None),
            environ={**ENVIRON, **environ} if spawn else environ,
            secrets=changes.pop("secrets", {}),
            parents=changes.pop("parents", {}),
            masker=changes.pop("masker", NOTHING_SECRET),
            memory_mb=changes.pop("memory_mb", None),
            max_processes=changes.pop("max_processes", None),
            spawn=spawn,
            zygote_environ=changes.pop("zygote_environ", ENVIRON),
            python=self.python,
        )
        assert not changes
        return self.launcher.start(request)

    def watch(
        self, attempt: Attempt, *, timeout: float = 20, on_output: Callable[[bytes], None] | None = None
    ) -> Told:
        """Watch an attempt to its end."""
        output: list[bytes] = []
        progress: list[tuple[float, str]] = []
        limit = timedelta(seconds=timeout)
        facts = attempt.watch(
            timeout=limit,
            on_output=on_output or output.append,
            on_progress=lambda fraction, note: progress.append((fraction, note)),
            on_state=self.keep,
        )
        return Told(facts, judge(facts, timeout=limit), b"".join(output).decode(), progress)

    def run(self, job_id: str = "job", *, timeout: float = 20, **changes: Any) -> Told:
        """Start an attempt and watch it to its end."""
        return self.watch(self.start(job_id, **changes), timeout=timeout)

    def job(self, body: str, fields: str = "func=run", *, timeout: float = 20, **changes: Any) -> Told:
        """Write a bundle of one job and run it."""
        write_job(self.folder, body, fields)
        return self.run(timeout=timeout, **changes)

    def keep(self, operation: str, key: str | None, value: Any) -> Any:
        """Be the state store of every job."""
        if operation == "keys":
            return sorted(self.state)
        assert key is not None
        if operation == "set":
            self.state[key] = value
        elif operation == "get":
            return self.state[key]
        else:
            del self.state[key]
        return None


def tagged(tag: str) -> list[int]:
    """Find live processes whose environment or command line holds a tag."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if tag.encode() in text and state not in "ZX":
            found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(fact: Callable[[], Any], seconds: float = 15) -> Any:
    """Wait for a fact, with a deadline; return it."""
    deadline = time.monotonic() + seconds
    while not (value := fact()):
        assert time.monotonic() < deadline, f"it did not become true within {seconds} s"
        time.sleep(0.005)
    return value


def pid_in(file: Path) -> int:
    """Wait for a pid that a job writes to a file."""
    return int(
        eventually(lambda: file.is_file() and re.fullmatch(r"\d+\n", file.read_text()) and file.read_text())
    )


def end_quietly(pid: int) -> None:
    """Kill a process that a failing test may have left."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
