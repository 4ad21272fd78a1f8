"""How long it takes from a trigger over HTTP to the first line of the job, beside a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.bench.goals import Goal, Report
from tests.bench.measuring import percentile, say, serving

DURABILITY = "the run is on the disk before the call is answered; nothing"


def plain_exec() -> float:
    """Milliseconds of a bare interpreter, the peer of starting a job."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000


def bench_trigger(count: int = 200) -> Report:
    """From the HTTP call to the first line of the job, in turns with a bare `python -c pass`."""
    took, bare = [], []
    with serving() as server:
        for number in range(count + 5):
            asked = time.time()
            run = server.http.post("/jobs/stamp/trigger").json()["queue_id"]
            server.wait(lambda run=run: server.http.get(f"/runs/{run}").json()["finished_at"] is not None)  # type: ignore[misc]
            took.append((server.http.get(f"/runs/{run}").json()["result"]["at"] - asked) * 1000)
            if number % 4 == 0:
                bare.append(plain_exec())
    took = took[5:]  # the first find nothing warm
    median, late, plain = statistics.median(took), percentile(took, 0.99), statistics.median(bare)
    say("trigger over HTTP to job start, median", median, "ms", f"{median / plain:.2f} x python -c pass")
    say("trigger over HTTP to job start, p99", late, "ms", f"of {count}")
    say("python -c pass, median", plain, "ms")
    workload, beside = "trigger over HTTP to job start", f"`python -c pass`: {plain:.1f} ms"
    return Report(
        (
            Goal(f"{workload}, median", "< 1.2", median / plain, f"{median:.1f} ms", beside, DURABILITY),
            Goal(f"{workload}, p99", "< 40 ms", late, f"{late:.1f} ms", "", DURABILITY),
        )
    )
