"""`kill -9` of runner, guard, zygote and supervisor, again and again: what was asked for, what was done.

A kill comes at random, or at a named point: right after a trigger was acknowledged, right after a job wrote
its begin or its end, or while a runner starts. KILLS says how often (20 unless set; `make faults` says 1000),
KILLS_SEED which moments. A witness file is written by the jobs alone. What is expected is what the callers
were told, and the minutes that the clock had.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.outside import Repository, Serve, Served, wait_for
from tests.faults.conftest import Measured
from tests.simulation import calendar

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.process]

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("KILLS_SEED", "11"))
DEADLINE = 110.0  # seconds for one wait: what takes longer hangs
MOST_OPEN = 500  # runs: more than these are not asked for without a pause, as they come faster than they end
LEVELS = {"runner": 0, "guard": 1, "zygote": 2, "supervisor": 3}  # below the runner, in the tree of processes
AIMS = ("runner", "runner", "runner", "guard", "zygote", "supervisor")
POINTS = ("random", "random", "acknowledged", "begun", "ended", "starting")
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import work

job_registry.register(
    JobConfig(id="asked", cron="0 0 1 1 *", func=work, overlap="allow", max_attempts=100,
              retry_backoff_seconds=0))
job_registry.register(
    JobConfig(id="timed", cron="* * * * *", func=work, overlap="allow", max_attempts=100,
              retry_backoff_seconds=0, catchup="all", catchup_max=1000))
"""
JOBS = """
import os, time
from pathlib import Path

def say(ctx, what):
    line = f"{what} {ctx.job_id} {ctx.run_id} {ctx.attempt} {ctx.scheduled_for or ''}\\n"
    descriptor = os.open(Path(os.environ["HOME"], "witness"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)

def work(ctx):
    say(ctx, "begun")
    time.sleep(0.15)
    say(ctx, "ended")
"""

OPEN = "SELECT count(*) FROM job_queue WHERE finished_at IS NULL AND due_at <= strftime('%Y-%m-%dT%H:%M:%fZ')"
STUCK = "SELECT count(*) FROM job_queue WHERE finished_at IS NULL AND job_id = 'asked'"
LEFT = "SELECT id, job_id, state, attempt, due_at, lease_owner FROM job_queue WHERE finished_at IS NULL"
DONE = "SELECT id FROM job_queue WHERE job_id = 'timed' AND state = 'succeeded'"
FIRED = "SELECT fire_at FROM job_queue WHERE job_id = 'timed' AND fire_at IS NOT NULL"


def children(pid: int) -> list[int]:
    try:
        listed = [Path(task, "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(one) for text in listed for one in text.split()]


def below(pid: int, level: int) -> list[int]:
    """Return the processes so many levels below one."""
    found = [pid]
    for _ in range(level):
        found = [child for parent in found for child in children(parent)]
    return found


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def kill_one(served: Served, aim: str, chance: random.Random) -> bool:
    """Kill a process of this kind, if there is one."""
    there = below(served.process.pid, LEVELS[aim])
    if not there:
        return False
    try:
        os.kill(chance.choice(there), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def reach(point: str, witness: Path, chance: random.Random) -> None:
    """Wait for a point in the life of the attempt that was asked for; it may have passed already."""
    if point == "random":
        time.sleep(chance.uniform(0, 0.3))
    size, until = witness.stat().st_size if witness.exists() else 0, time.monotonic() + 2
    while point in {"begun", "ended"} and time.monotonic() < until:
        if witness.exists() and witness.stat().st_size > size:
            with witness.open("rb") as file:
                file.seek(size)
                if file.read().startswith(point.encode()):
                    return
            size = witness.stat().st_size
        time.sleep(0.0005)


def ask(served: Served, asked: list[str], seconds: float) -> None:
    """Trigger without a pause for a while, once at least; a Sauron that is gone ends it."""
    until = time.monotonic() + seconds
    while True:
        try:
            asked.append(served.trigger("asked"))
        except httpx.TransportError:
            return
        if time.monotonic() >= until:
            return


def start_again(serve: Serve, folder: Path, chance: random.Random, *, interrupted: bool) -> Served:
    """Start the runner; with `interrupted` it is killed before it is ready, and started once more."""
    if interrupted:
        first = serve(HOME=str(folder))
        time.sleep(chance.uniform(0, 0.6))
        first.process.kill()
        first.process.wait(DEADLINE)
        first.close()
    return serve(HOME=str(folder)).until_synced()


def _counted(some: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in some.most_common())


@pytest.mark.timeout(300 + 10 * KILLS)
def test_kills_at_random_lose_nothing_double_nothing_and_leave_nothing_stuck(
    repository: Repository, serve: Serve, tmp_path: Path, measured: Measured
) -> None:
    """One process after another is killed while triggers come in and a job fires every minute."""
    repository.commit({"manifest.py": MANIFEST, "jobs/work.py": JOBS})
    chance = random.Random(SEED)  # noqa: S311 - the same moments each time
    began = dt.datetime.now(dt.UTC)
    asked: list[str] = []
    killed: Counter[str] = Counter()
    points: Counter[str] = Counter()
    restarts: list[float] = []
    served = serve(HOME=str(tmp_path)).until_synced()
    store = served.folder / ".sauron" / "sauron.sqlite3"
    ((since,),) = rows(store, "SELECT min(since) FROM periods WHERE job_id = 'timed'")
    while killed.total() < KILLS:
        aim, point = chance.choice(AIMS), chance.choice(POINTS)
        seconds = chance.uniform(0, 0.3)
        ask(served, asked, seconds if rows(store, OPEN) < [(MOST_OPEN,)] else 0)
        reach(point, tmp_path / "witness", chance)
        if kill_one(served, aim, chance):
            killed[aim] += 1
            points[point] += 1
            if points.total() % 100 == 0:
                print(f"{killed.total()} kills, {(dt.datetime.now(dt.UTC) - began).seconds} s", flush=True)
        if aim == "runner":
            served.process.wait(DEADLINE)
            served.close()
            moment, killed["runner"] = time.monotonic(), killed["runner"] + (point == "starting")
            served = start_again(serve, tmp_path, chance, interrupted=point == "starting")
            restarts.append(time.monotonic() - moment)
    wait_for(
        lambda: rows(store, OPEN) == [(0,)],
        what="nothing is queued and due, or running",
        seconds=DEADLINE,
        seen=lambda: f"{rows(store, LEFT)}\n{served.logged()[-3000:]}",
    )
    until_tick = dt.datetime.fromisoformat(served.http.get("/audit").json()["until"])
    assert served.http.get("/audit").json()["clean"]

    # One to one: what was asked for, and each minute, against the rows and against the witness.
    states = dict(rows(store, "SELECT id, state FROM job_queue WHERE job_id = 'asked'"))
    said = [line.split() for line in (tmp_path / "witness").read_text().splitlines()]
    begun = Counter((run, attempt) for what, _, run, attempt, *_ in said if what == "begun")
    ended = {run for what, _, run, *_ in said if what == "ended"}
    lost = [run for run in asked if states.get(run) != "succeeded" or run not in ended]
    doubled = [one for one, times in begun.items() if times > 1]
    assert not lost, f"of {len(asked)} acknowledged: {[(run, states.get(run)) for run in lost]}"
    assert not doubled
    due = list(calendar.between("* * * * *", "UTC", dt.datetime.fromisoformat(since), until_tick))
    fired = Counter(dt.datetime.fromisoformat(at) for (at,) in rows(store, FIRED))
    assert [fired[minute] for minute in due] == [1] * len(due)
    assert {run for (run,) in rows(store, DONE)} <= ended
    assert rows(store, "PRAGMA integrity_check") == [("ok",)]
    ((open_runs,),) = rows(store, STUCK)
    assert open_runs == 0
    measured(
        f"{killed.total()} kills ({_counted(killed)}) at these points: {_counted(points)}; "
        f"{len(asked)} triggers acknowledged, {len(due)} minutes, {begun.total()} attempts begun; "
        f"{len(lost)} lost, {len(doubled)} doubled, {open_runs} stuck; "
        f"ready again after {sorted(restarts)[len(restarts) // 2]:.1f} s (median)",
        seed=SEED,
    )
