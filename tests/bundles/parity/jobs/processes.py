"""Jobs that stay: with a child, with a daemon, until a file appears."""

import os
import subprocess
import sys
import time
from pathlib import Path

from sauron_jobs_loader import JobContext

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def wait_for_file(name: str) -> None:
    file, end = Path(os.environ["PARITY_DIR"], name), time.monotonic() + 300
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)


def family():
    """Start a child in a session of its own and a daemon whose parent is gone, then stay."""
    child = subprocess.Popen(SLEEPS, start_new_session=True)
    reads, writes = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if (daemon := os.fork()) == 0:
            os.execv(SLEEPS[0], SLEEPS)  # noqa: S606 - as a daemon starts
        os.write(writes, str(daemon).encode())
        os._exit(0)
    os.wait()
    print("pids", os.getpid(), child.pid, os.read(reads, 20).decode(), flush=True)
    time.sleep(600)


def tail(ctx: JobContext):
    ctx.progress(0.5, "half of it")
    print("one", flush=True)
    wait_for_file(ctx.params["go"])
    print("two", flush=True)


def holds(ctx: JobContext):
    print("began", flush=True)
    if ctx.params and "until" in ctx.params:
        wait_for_file(ctx.params["until"])
