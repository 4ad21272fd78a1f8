"""What pages of very many jobs and runs cost: processor time beside the same pages of an empty store."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from chalicelib.answers.audit import audit
from chalicelib.settings import Settings
from chalicelib.store import Store, run_totals
from chalicelib.wiring import LAMBDA, PROCESS, build
from sauron.cli.local_client import client
from tests.bench.measuring import say
from tests.conftest import START, ManualClock
from tests.many_jobs import fill, name

SINCE = (START - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
LONG_AGO = (START - timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
PATHS = (
    *("/", "/ui/jobs", "/ui/jobs?sort=rate", f"/ui/jobs/{name(0)}", f"/ui/jobs/{name(4)}", "/ui/bundle"),
    *("/ui/runs", f"/ui/runs?job_id={name(0)}", "/ui/runs?state=failed", "/ui/runs?state=failed,missed"),
    *(f"/ui/runs?since={SINCE}", f"/ui/runs?until={LONG_AGO}", "/ui/runs?q=refused", "/ui/runs?q=nothing"),
    *("/ui/audit", "/ui/settings", "/ui/events"),
    *("/runs?state=failed", "/runs?state=running", f"/runs?since={SINCE}", f"/runs?since={LONG_AGO}"),
)
AT_ONCE = 20_000


def bench_pages(jobs: int = 1000, runs: int = 1_000_000, rounds: int = 7) -> None:
    """Processor time and size of the pages, with very many jobs and runs and with none."""
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as folder:
        empty = _measure(Path(folder) / "empty", rounds)
        seeded = Path(folder) / "many"
        seeded.mkdir()
        store = Store(f"sqlite:///{seeded}/store.sqlite3")
        store.migrate()
        fill(store, now=START, jobs_count=jobs, runs_count=runs)
        folded = AT_ONCE
        while folded == AT_ONCE:
            with store.write() as tx:
                folded = run_totals.fold(tx, most=AT_ONCE)
        store.close()
        for path, (took, size) in _measure(seeded, rounds).items():
            before = empty[path if empty[path][1] or path not in PATHS else "/ui/jobs"][0]
            what = f"{path} of {jobs:,} jobs and {runs:,} runs"
            say(what, took, "ms CPU", f"{took / before:.1f} x an empty store, {size / 1000:.0f} KB")


def _measure(folder: Path, rounds: int) -> dict[str, tuple[float, int]]:
    """Return for each path the least processor time in milliseconds, and the size; 0 where it is refused."""
    folder.mkdir(exist_ok=True)
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{folder}/store.sqlite3", "JOBS_DIR": f"{folder}/jobs"}
    sauron = build(Settings.read(environ), runtime=LAMBDA, clock=ManualClock(START))
    PROCESS.set(sauron)
    asked = client(sauron, by="bench")
    found: dict[str, tuple[float, int]] = {}

    def audited() -> None:
        with sauron.store.read() as tx:
            audit(tx, now=START, job_id=name(0))

    found["audit of one job"] = (min(_took(audited) for _ in range(rounds)), 0)
    for path in PATHS:
        took = min(_took(lambda path=path: asked.get(path)) for _ in range(rounds))  # type: ignore[misc]
        answer = asked.get(path)
        found[path] = (took, len(answer.content) if answer.status_code == 200 else 0)
    asked.close()
    PROCESS.set(None)
    sauron.close()
    return found


def _took(act: Callable[[], object]) -> float:
    """Return the processor time of an act in milliseconds."""
    began = time.process_time()
    act()
    return (time.process_time() - began) * 1000
