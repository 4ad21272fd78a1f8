"""Start-up, memory and processor time of a Sauron with nothing to do, on the example bundle."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.goals import Goal, Report
from tests.bench.measuring import Server, environment, say


def bench_idle(seconds: int = 60) -> Report:
    """Start twice, then watch the second one for so many seconds."""
    ready, idle, memory, processes = 0.0, 0.0, 0.0, 0
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "sauron.cli", "init", str(folder / "bundle")],
            check=True,
            capture_output=True,
            env=environment(folder),
        )
        for attempt in ("first start, schema made", "later start"):
            server = Server(folder)
            ready = max(ready, server.ready_seconds)
            say(f"ready to answer /health, {attempt}", server.ready_seconds * 1000, "ms")
            try:
                if attempt == "later start":
                    time.sleep(5)
                    before = _cpu(server)
                    time.sleep(seconds)
                    idle = (_cpu(server) - before) / seconds * 100
                    found = [_pss(pid) for pid in server.tree()]
                    memory, processes = sum(found) / 1024, len(found)
            finally:
                server.close()
    say("processor time while idle", idle, "% of a core")
    say("memory of all processes (PSS)", memory, "MB", f"{processes} processes")
    return Report(
        (
            Goal("ready to answer /health, the slower of two starts", "< 0.6 s", ready, f"{ready:.2f} s"),
            Goal("memory of all processes (PSS)", "< 75 MB", memory, f"{memory:.0f} MB"),
            Goal("processor time with nothing to do", "< 0.1 %", idle, f"{idle:.2f} %"),
        )
    )


def _cpu(server: Server) -> float:
    """Return the processor time of all processes in seconds; the scheduler counts it in nanoseconds."""
    found = 0
    for pid in server.tree():
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += int((task / "schedstat").read_text().split()[0])
    return found / 1e9


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
