"""A memory cgroup with a limit, where the tester may make one, and a program that runs in it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import ROOT, environ_of

MOUNT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited(megabytes: int) -> Iterator[Path]:
    """Make a cgroup with a limit below this process's own; skip the test where that is not allowed."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    of_memory = next((path for _, names, path in lines if "memory" in names.split(",")), None)
    unified = next((path for _, names, path in lines if not names), "/")
    parent = MOUNT / unified.strip("/") if of_memory is None else MOUNT / "memory" / of_memory.strip("/")
    folder = parent / f"sauron-test-{uuid.uuid4().hex[:8]}"
    limit = "memory.max" if of_memory is None else "memory.limit_in_bytes"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        if not (folder / limit).exists():
            pytest.skip("the memory controller is not handed down to this process")
        (folder / limit).write_text(str(megabytes << 20))
        if (folder / "memory.swap.max").exists():
            (folder / "memory.swap.max").write_text("0")
        yield folder
    finally:
        give_up = time.monotonic() + 20
        while True:  # the kernel lets it go once its processes are gone
            try:
                folder.rmdir()
                break
            except OSError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)


def run_in(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program as a process of the cgroup, and return how it ended."""
    enter = f"import os\nopen({str(folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
    return subprocess.run(
        [sys.executable, "-c", enter + program, *arguments],
        env=environ_of(PATH=os.environ["PATH"]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
