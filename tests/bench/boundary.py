"""Fifty jobs due at one boundary: how late they start, beside busybox's crond and bare forks.

Sauron's jobs are due at even minutes and crond's at odd ones, so they take turns. The forks come at half past
each minute. A lateness is what the job itself sees as its first act; crond's is a shell that starts `date`.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import debian_peers
from tests.bench.goals import Bars, Goal, Report, said
from tests.bench.isolated import FORKS
from tests.bench.measuring import Server, bundle, percentile, say

JOBS = 50
MANIFEST = """
import os, time
from sauron_jobs_loader import JobConfig, job_registry

def note():
    opened = os.open({log!r}, os.O_WRONLY | os.O_APPEND)
    os.write(opened, b"%.6f\\n" % time.time())
    os.close(opened)

for number in range({jobs}):
    job_registry.register(JobConfig(id=f"job-{{number}}", cron="*/2 * * * *", func=note))
"""
OURS, CROND, FORKED = "Sauron", "busybox crond", "bare forks"
WAIT = 20.0  # seconds after the boundary at most
DURABILITY = "each occurrence and end on the disk, synchronous=FULL; nothing is recorded"


def bench_boundary(rounds: int = 3) -> Report:
    """Wait for so many minutes of each, and compare the middle of their rounds' p99."""
    late: dict[str, list[list[float]]] = {OURS: [], FORKED: [], CROND: []}
    problem = "its jobs did not run"
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name, contextlib.ExitStack() as kept:
        folder = Path(name)
        logs = {OURS: folder / "ours", CROND: folder / "crond.log"}
        for log in logs.values():
            log.touch()
        bundle(folder / "bundle", MANIFEST.format(log=str(logs[OURS]), jobs=JOBS))
        server = Server(folder)
        kept.callback(server.close)
        try:
            kept.enter_context(_crond(folder, logs[CROND]))
        except OSError as error:
            problem = said(error)
        first = (int(time.time()) // 60 + 1) * 60
        if first - time.time() < 5:
            first += 60
        if first % 120:  # an odd minute: ours begin
            first += 60
        for number in range(2 * rounds):
            at = first + number * 60
            whose = CROND if number % 2 else OURS
            if whose == OURS or problem == "its jobs did not run":
                late[whose].append(_noted(logs[whose], at))
            if whose == OURS:
                late[FORKED].append(_forked(at + 30))
    return _report({whose: some for whose, some in late.items() if some and all(some)}, problem)


def _report(late: dict[str, list[list[float]]], problem: str) -> Report:
    middle = {whose: statistics.median(percentile(one, 0.5) for one in some) for whose, some in late.items()}
    worst = {whose: statistics.median(percentile(one, 0.99) for one in some) for whose, some in late.items()}
    for whose, some in late.items():
        say(f"{JOBS} due at one boundary, {whose}, median", middle[whose], "ms")
        say(f"{JOBS} due at one boundary, {whose}, p99", worst[whose], "ms", f"{len(some)} rounds")
    goals = []
    for whose, goal in ((CROND, "< 1"), (FORKED, "<= 2")):
        workload = f"{JOBS} due at one boundary, lateness p99"
        if OURS not in worst or whose not in worst:
            goals.append(Goal(workload, goal, None, beside=f"{whose}: {problem}", durability=DURABILITY))
            continue
        ours, beside = f"{worst[OURS]:.0f} ms", f"{whose}: {worst[whose]:.0f} ms"
        goals.append(Goal(workload, goal, worst[OURS] / worst[whose], ours, beside, DURABILITY))
    bars = tuple((f"{whose}, {word}", found[whose], whose == OURS)
                 for whose in late for word, found in (("median", middle), ("p99", worst)))  # fmt: skip
    return Report(tuple(goals), (Bars("boundary", f"{JOBS} due at one boundary: lateness in ms", bars),))


@contextlib.contextmanager
def _crond(folder: Path, log: Path) -> Iterator[None]:
    """Busybox's crond with fifty lines; its crontab belongs to the user of the bench."""
    import getpass

    tabs = folder / "tabs"
    tabs.mkdir()
    line = f"1-59/2 * * * * /bin/date +%s.%N >> {log}\n"
    (tabs / getpass.getuser()).write_text(line * JOBS)
    os.chmod(tabs / getpass.getuser(), 0o600)  # noqa: PTH101
    command = [debian_peers.program(debian_peers.BUSYBOX), "crond", "-f", "-c", str(tabs), "-L", "/dev/null"]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _noted(log: Path, at: float) -> list[float]:
    """Return by how many milliseconds the jobs were late that noted their start for this instant."""

    def found() -> list[float]:
        return [float(line) for line in log.read_text().split() if float(line) > at - 30]

    time.sleep(max(0.0, at + 2 - time.time()))  # looking takes processor time: not while they start
    while len(found()) < JOBS and time.time() < at + WAIT:
        time.sleep(0.2)
    return [(one - at) * 1000 for one in found()]


def _forked(at: float) -> list[float]:
    command = [sys.executable, FORKS, "burst", str(at), str(JOBS)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=90)
    found: list[float] = json.loads(answer.stdout)
    return found
