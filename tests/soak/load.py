"""What a soak makes Sauron bear: runs of every kind at a fixed rate, syncs, killed jobs, readers.

Each thread is ended and waited for. What goes wrong is counted by its kind and shown.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httpx

MANIFEST = """
import os, signal, subprocess, sys, tempfile, time
from sauron_jobs_loader import JobConfig, job_registry

def speaks():
    for number in range(50):
        print("line", number)

def fails():
    raise RuntimeError("as planned")

def dies():
    os.kill(os.getpid(), signal.SIGKILL)

def hangs():
    time.sleep(600)

def leaves():
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    tempfile.NamedTemporaryFile(delete=False).write(b"left behind")

def returns():
    return {"rows": list(range(20))}

for name, func, limit in (
    ("noop", lambda: None, 300), ("speaks", speaks, 300), ("fails", fails, 300), ("dies", dies, 300),
    ("hangs", hangs, 300), ("overruns", hangs, 1), ("leaves", leaves, 300), ("returns", returns, 300),
):
    job_registry.register(
        JobConfig(
            id=name, cron="0 0 1 1 *", func=func, timeout_seconds=limit, max_attempts=1, overlap="allow"
        )
    )
for number in range(5):
    job_registry.register(JobConfig(id=f"minutely-{number}", cron="* * * * *", func=lambda: None))
"""
# Of twenty runs: how many are of which job. `hangs` is cancelled after a second, `overruns` is timed out.
MIX = (("noop", 11), ("speaks", 3), ("returns", 2), ("fails", 1), ("dies", 1), ("hangs", 1), ("leaves", 1))
RARE = "overruns"  # one of a hundred
TRIGGERED = {name for name, _ in MIX} | {RARE}
PAGES = (
    *("/", "/ui/next", "/ui/jobs", "/ui/runs", "/ui/jobs/noop", "/ui/audit", "/ui/events"),
    *("/status", "/runs?state=failed"),
)
CALLERS = 4  # that trigger at once
SYNC_EVERY, CANCEL_AFTER = 30.0, 1.0


class Load:
    """Threads that use one Sauron until they are told to end."""

    def __init__(self, url: str, bundle: Path, rate: float, *, leak: bool = False) -> None:
        self.url, self.bundle, self.rate = url, bundle, rate
        self.over = threading.Event()
        self.acknowledged: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._counting = threading.Lock()
        # An iterator that several threads may use: next() of a cycle is one step.
        self._names = cycle([name for name, count in MIX for _ in range(count)] * 5 + [RARE])
        self._hanging: list[tuple[float, str]] = []
        self._parts: list[Callable[[httpx.Client], None]] = [
            *[self._trigger] * CALLERS,
            *(self._cancel, self._sync, self._read, self._scrape),
            *([self._leak] if leak else []),
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Put the load on Sauron while the body runs."""
        threads = [threading.Thread(target=self._run, args=(part,)) for part in self._parts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
            self._run(self._cancel_hanging)

    def _run(self, part: Callable[[httpx.Client], None]) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as http:
            part(http)

    def _ask(self, http: httpx.Client, method: str, path: str, what: str) -> httpx.Response | None:
        """Send a request; count it, and what went wrong with it."""
        try:
            response = http.request(method, path)
        except httpx.HTTPError as error:
            with self._counting:
                self.faults[f"{what}: {type(error).__name__}"] += 1
            return None
        with self._counting:
            self.done[what] += 1
            if response.is_server_error:
                self.faults[f"{what}: {response.status_code}"] += 1
        return response

    def _trigger(self, http: httpx.Client) -> None:
        at = time.monotonic()
        while not self.over.wait(max(0.0, at - time.monotonic())):
            at += CALLERS / self.rate
            name = next(self._names)
            response = self._ask(http, "POST", f"/jobs/{name}/trigger", "trigger")
            if response is not None and response.is_success:
                with self._counting:
                    self.acknowledged[name] += 1
                if name == "hangs":
                    self._hanging.append((time.monotonic() + CANCEL_AFTER, response.json()["queue_id"]))

    def _cancel(self, http: httpx.Client) -> None:
        while not self.over.wait(0.1):
            if self._hanging and self._hanging[0][0] <= time.monotonic():
                self._ask(http, "POST", f"/runs/{self._hanging.pop(0)[1]}/cancel", "cancel")

    def _cancel_hanging(self, http: httpx.Client) -> None:
        for _, run_id in self._hanging:
            self._ask(http, "POST", f"/runs/{run_id}/cancel", "cancel")

    def _sync(self, http: httpx.Client) -> None:
        identity = ("-c", "user.name=soak", "-c", "user.email=soak@example.test", "-c", "gc.auto=0")
        number = 0
        while not self.over.wait(SYNC_EVERY):
            number += 1
            (self.bundle / "manifest.py").write_text(f"{MANIFEST}\n# change {number}\n")
            command = ["git", *identity, "commit", "-qam", f"change {number}"]
            subprocess.run(command, cwd=self.bundle, check=True)
            self._ask(http, "POST", "/sync", "sync")

    def _read(self, http: httpx.Client) -> None:
        for page in cycle(PAGES):
            if self.over.wait(1):
                return
            self._ask(http, "GET", page, "page")

    def _scrape(self, http: httpx.Client) -> None:
        while not self.over.wait(2):
            self._ask(http, "GET", "/metrics", "metrics")

    def _leak(self, _http: httpx.Client) -> None:
        """Keep connections open that are never used again, two a second."""
        where = urlsplit(self.url)
        with contextlib.ExitStack() as kept:
            while not self.over.wait(0.5):
                kept.enter_context(socket.create_connection((where.hostname, where.port or 80)))
