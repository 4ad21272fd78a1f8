"""Let Sauron work for hours and see that nothing grows: `make soak` (ARGS="--minutes 10").

A Sauron of its own with a bundle of its own runs 20 runs a second: good ones, failing ones, some that kill
themselves, overrun, or leave processes behind, and some that are cancelled. Meanwhile the bundle changes and
is synced, and pages and metrics are read. The end is a table of the four quarters of the time. The exit code
is 1 if the last is above the first by more than noise, a run was lost, or the audit is not clean.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.measuring import Server, bundle, environment
from tests.soak.load import MANIFEST, TRIGGERED, Load
from tests.soak.samples import Row, Sample, Watch, compare

SAMPLES, SHORTEST = 240, 1.0  # in the whole time; seconds between two
MOST_HOURS = 24
_TOTAL = re.compile(r'^sauron_runs_total\{job_id="([^"]+)",state="[^"]+"\} (\d+)', re.MULTILINE)
_UNFINISHED = "SELECT count(*) FROM job_queue WHERE origin = 'trigger' AND finished_at IS NULL"


def main() -> None:
    """Run the soak that the arguments describe."""
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=120, help="how long (120)")
    parser.add_argument("--rate", type=float, default=20, help="runs a second (20)")
    parser.add_argument("--leak", action="store_true", help="leak connections, to see that this is noticed")
    given = parser.parse_args()
    if not 0.5 <= given.minutes <= MOST_HOURS * 60:
        parser.error(f"--minutes must be from 0.5 to {MOST_HOURS * 60}, not {given.minutes:g}")
    if not 0 < given.rate <= 1000:
        parser.error(f"--rate must be above 0 and at most 1000 runs a second, not {given.rate:g}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then too
    sys.exit(0 if soak(given.minutes * 60, given.rate, leak=given.leak) else 1)


def soak(seconds: float, rate: float, *, leak: bool = False) -> bool:
    """Put the load on a Sauron for so long, print the table, and return whether all is well."""
    with tempfile.TemporaryDirectory(prefix="sauron-soak-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        bundle(folder / "bundle", MANIFEST)
        server = Server(folder, TMPDIR=str(folder / "tmp"))
        try:
            load = Load(str(server.http.base_url), folder / "bundle", rate, leak=leak)
            with load.running():
                samples = _watch(server, folder, seconds)
            store = folder / ".sauron" / "sauron.sqlite3"
            with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
                server.wait(lambda: db.execute(_UNFINISHED).fetchone()[0] == 0, seconds=120)
            ended = _ended(server)
            audited = subprocess.run(
                [sys.executable, "-m", "sauron.cli", "audit"],
                cwd=folder,
                env=environment(folder),
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            server.close()
    rows = compare(samples)
    lost = load.acknowledged - ended
    _show(rows, load, seconds)
    _say(f"runs that were acknowledged and have no end: {sum(lost.values())}")
    _say(f"audit, exit code {audited.returncode}: {audited.stdout.strip()}")
    return not (any(row.grew for row in rows) or lost or load.faults or audited.returncode)


def _watch(server: Server, folder: Path, seconds: float) -> list[Sample]:
    """Sample until the time is over; a runner that ends before that is an error."""
    watch = Watch(server.process.pid, folder)
    began, every = time.monotonic(), max(SHORTEST, seconds / SAMPLES)
    samples: list[Sample] = []
    while (passed := time.monotonic() - began) < seconds:
        if (code := server.process.poll()) is not None:
            raise RuntimeError(f"Sauron ended with exit code {code} after {passed:.0f} seconds")
        samples.append(watch.sample(passed, server.tree()))
        time.sleep(min(every, max(0.0, seconds - passed)))
    return samples


def _ended(server: Server) -> Counter[str]:
    """Return for each job that was triggered how many of its runs ended, pruned ones included."""
    counts: Counter[str] = Counter()
    for job_id, runs in _TOTAL.findall(server.http.get("/metrics").text):
        if job_id in TRIGGERED:
            counts[job_id] += int(runs)
    return counts


def _show(rows: list[Row], load: Load, seconds: float) -> None:
    runs = sum(load.acknowledged.values())
    _say(f"{runs:,} runs in {seconds / 60:g} minutes, {runs / seconds:.1f} a second")
    _say("requests: " + ", ".join(f"{count:,} {what}" for what, count in sorted(load.done.items())))
    _say("faults: " + (", ".join(f"{count} {what}" for what, count in load.faults.items()) or "none"))
    heads = "".join(f"{head:>12}" for head in ("1st quarter", "2nd", "3rd", "4th"))
    _say(f"{'':<36}{heads}")
    for row in rows:
        values = "".join(f"{value:>12.1f}" for value in row.quarters)
        name = f"{row.measure.name}, {row.measure.unit}".removesuffix(", ")
        _say(f"{name:<36}{values}  {row.verdict}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
