"""What pages, lists and metrics of very many jobs and runs cost, beside an empty store and a small one.

Compared is the processor time of each request: other work on the machine would add to the time on the clock
alone, which is shown for each page beside the load of the machine. The stores take turns. A page of an empty
store has no jobs and no runs to show; the small store has as much to show as the large one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.answers.audit import audit
from chalicelib.runtime.runner import spare_the_collector
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.wiring import LAMBDA, PROCESS, build
from sauron.cli.local_client import client
from tests.bench.goals import Goal, Report
from tests.bench.large_store import large_store, seed
from tests.bench.measuring import percentile, say
from tests.conftest import START, ManualClock
from tests.many_jobs import name

SINCE = (START - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
LONG_AGO = (START - timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
LATER = (START + timedelta(hours=16)).strftime("%Y-%m-%dT%H:%M:%SZ")
GOALS = {
    "pages": ("/", "/ui/next", "/ui/jobs", "/ui/runs", f"/ui/jobs/{name(0)}"),
    "lists": ("/jobs", "/runs", "/runs?state=failed", f"/runs?since={SINCE}"),
    "metrics": ("/metrics",),
}
OTHERS = (
    *(f"/ui/next?from={LATER}", f"/ui/next?q={name(0)}"),
    *("/ui/jobs?sort=rate", f"/ui/jobs/{name(4)}", "/ui/bundle", f"/ui/runs?job_id={name(0)}"),
    *("/ui/runs?state=failed", "/ui/runs?state=failed,missed", f"/ui/runs?since={SINCE}"),
    *(f"/ui/runs?until={LONG_AGO}", "/ui/runs?q=refused", "/ui/runs?q=nothing", "/ui/audit", "/ui/settings"),
    *("/ui/events", "/runs?state=running", f"/runs?since={LONG_AGO}"),
)
AUDIT = "audit of one job"
ROUNDS, FEWER = 5, 3
REQUESTS, TURN = 100, 5  # of each page, on the clock
EACH = 50  # runs of a job in the small store: every list has a full page
EMPTY, FEW, MANY = "an empty store", f"{EACH} runs a job", "many"


def bench_pages(jobs: int = 1000, runs: int = 1_000_000, blocks: int = 20) -> Report:
    """Processor time of the pages, lists and metrics, with very many jobs and runs and with none."""
    many = large_store(jobs, runs)
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as folder:
        files = {EMPTY: Path(folder) / "empty.sqlite3", FEW: Path(folder) / "few.sqlite3", MANY: many}
        store = Store(f"sqlite:///{files[EMPTY]}")
        store.migrate()
        store.close()
        seed(files[FEW], jobs, EACH * jobs)
        goal_paths = [path for paths in GOALS.values() for path in paths]
        took: dict[str, dict[str, list[float]]] = {what: {} for what in files}
        with contextlib.ExitStack() as kept:
            opened = {what: _Opened(file, Path(folder), kept) for what, file in files.items()}
            spare_the_collector()  # as a runner does
            for block in range(blocks + 1):
                for what, one in opened.items():
                    for path, some in one.ask(goal_paths, ROUNDS).items():
                        if block:  # the first view of a process compiles the page
                            took[what].setdefault(path, []).extend(some)
            for path, some in opened[MANY].ask([AUDIT, *OTHERS], FEWER).items():
                say(f"{path} of {jobs:,} jobs and {runs:,} runs", min(some), "ms CPU")
            _say_clock(
                opened[MANY], ["/", *(one for one in (*goal_paths, *OTHERS) if one.startswith("/ui/"))]
            )
    late = {
        what: {path: percentile(some, 0.99) for path, some in paths.items()} for what, paths in took.items()
    }
    for path in goal_paths:
        beside = ", ".join(
            f"{late[what][path]:.1f} with {what}" for what in (EMPTY, FEW) if path in late[what]
        )
        say(f"{path} of {jobs:,} jobs and {runs:,} runs, p99", late[MANY][path], "ms CPU", beside)
    return Report(
        tuple(
            _worst(f"{group} of {jobs:,} jobs and {runs:,} runs, p99", paths, late, beside)
            for beside in (EMPTY, FEW)
            for group, paths in GOALS.items()
        )
    )


def _worst(workload: str, paths: tuple[str, ...], late: dict[str, dict[str, float]], beside: str) -> Goal:
    """Return the row of the path whose ratio is the worst; a page that the other store lacks is left out."""
    ratios = {path: late[MANY][path] / late[beside][path] for path in paths if path in late[beside]}
    path = max(ratios, key=lambda one: ratios[one])
    ours = f"{late[MANY][path]:.1f} ms for {path}"
    return Goal(workload, "<= 1.3", ratios[path], ours, f"{beside}: {late[beside][path]:.1f} ms")


class _Opened:
    """A Sauron on one store, asked without a socket."""

    def __init__(self, file: Path, folder: Path, kept: contextlib.ExitStack) -> None:
        environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{file}", "JOBS_DIR": f"{folder}/jobs-{file.stem}"}
        self._sauron = build(Settings.read(environ), runtime=LAMBDA, clock=ManualClock(START))
        kept.callback(self._sauron.close)
        self._client: Any = kept.enter_context(contextlib.closing(client(self._sauron, by="bench")))

    def ask(
        self, paths: list[str], rounds: int, *, clock: Callable[[], float] = time.process_time
    ) -> dict[str, list[float]]:
        """Return for each path that is found here the times in milliseconds, by default of the processor."""
        PROCESS.set(self._sauron)
        try:
            return {
                path: [_took(lambda path=path: self._get(path), clock) for _ in range(rounds)]  # type: ignore[misc]
                for path in paths
                if path == AUDIT or self._get(path).status_code == 200
            }
        finally:
            PROCESS.set(None)

    def _get(self, path: str) -> Any:
        if path != AUDIT:
            return self._client.get(path)
        with self._sauron.store.read() as tx:
            return audit(tx, now=START, job_id=name(0))

    def size(self, path: str) -> int:
        """Return how many bytes a page has."""
        PROCESS.set(self._sauron)
        try:
            return len(self._get(path).content)
        finally:
            PROCESS.set(None)


def _say_clock(many: _Opened, paths: list[str]) -> None:
    """Print how long each page takes on the clock. They take turns: a busy minute is no page's own."""
    took: dict[str, list[float]] = {}
    for _ in range(REQUESTS // TURN):
        for path, some in many.ask(paths, TURN, clock=time.perf_counter).items():
            took.setdefault(path, []).extend(some)
    for path, some in took.items():
        beside = f"median {percentile(some, 0.5):.1f}, {many.size(path) / 1000:.0f} kB"
        say(f"{path}, p99 on the clock", percentile(some, 0.99), "ms", beside)
    say("load of the machine meanwhile", os.getloadavg()[0], "processes")


def _took(act: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return how long an act takes by a clock, in milliseconds."""
    began = clock()
    act()
    return (clock() - began) * 1000
