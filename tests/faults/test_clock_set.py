"""The machine's clock is set forward, back, and to 1970; the machine sleeps. A real Sauron and its jobs."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Repository, Serve, Served, wait_for
from tests.faults.conftest import Measured
from tests.faults.other_clock import OtherClock

pytestmark = [pytest.mark.faults, pytest.mark.process, pytest.mark.long, pytest.mark.timeout(500)]

TWO_HOURS = 7200
CAUGHT_UP = 50
TOLD = 100.0  # seconds: a tick comes once a minute
BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import last, tell
job_registry.register(JobConfig(id="minutely", cron="* * * * *", func=tell, catchup="all", overlap="allow"))
job_registry.register(JobConfig(id="asked", cron="0 0 1 1 *", func=tell))
job_registry.register(JobConfig(id="lasting", cron="0 0 1 1 *", func=last))
""",
    "jobs/work.py": """
import os, pathlib, time

def last(ctx):
    tell(ctx)
    while not pathlib.Path(os.environ["NOTES"] + ".go").exists():
        time.sleep(0.02)
    tell(ctx)

def tell(ctx):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{ctx.job_id} {ctx.scheduled_for}\\n")
""",
}


class World:
    """A Sauron, its clock, and what its jobs noted."""

    def __init__(self, served: Served, clock: OtherClock, notes: Path) -> None:
        self.served, self.clock, self.notes = served, clock, notes

    def get(self, path: str) -> dict[str, Any]:
        answer = self.served.http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    def until(self, fact: Callable[[], object], what: str) -> None:
        wait_for(fact, what=what, seconds=TOLD, seen=lambda: len(self.lines("minutely")))

    def lines(self, job_id: str) -> list[list[str]]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line.split() for line in lines if line.startswith(job_id)]

    def last_tick(self) -> float:
        return datetime.fromisoformat(self.get("/status")["last_tick"]["at"]).timestamp()

    def check(self) -> None:
        """A triggered run starts and ends at once by this clock; all pages open; the audit is clean."""
        run = self.served.ended(self.served.trigger("asked"))
        assert run["state"] == "succeeded"
        assert abs(datetime.fromisoformat(run["finished_at"]).timestamp() - self.clock.now()) < 60
        for page in (
            "/",
            "/ui/jobs",
            "/ui/jobs/minutely",
            "/ui/runs",
            f"/ui/runs/{run['id']}",
            "/ui/settings",
        ):
            assert self.served.http.get(page).status_code == 200, page
        assert self.get("/audit")["clean"]
        assert self.served.http.get("/health").status_code == 200

    def each_once(self) -> int:
        """Return for how many minutes the job ran, each of them once."""
        fired = Counter(" ".join(line[1:]) for line in self.lines("minutely"))
        assert set(fired.values()) == {1}
        return len(fired)


def below(pid: int) -> list[int]:
    """Return all processes that a process has begun, and those that these have."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    own = [int(child) for file in files for child in file.read_text().split()]
    return [*own, *(deeper for child in own for deeper in below(child))]


@pytest.fixture
def it(serve: Serve, repository: Repository, tmp_path: Path) -> World:
    repository.commit(BUNDLE)
    clock, notes = OtherClock(tmp_path / "clock"), tmp_path / "notes"
    served = serve(NOTES=str(notes), **clock.environ).until_synced()
    served.http.headers["Connection"] = "close"  # an idle connection ends when the clock jumps
    return World(served, clock, notes)


def test_a_clock_that_is_set_runs_every_occurrence_once_and_stops_no_trigger(
    it: World, measured: Measured
) -> None:
    """The clock is set two hours on, right, to 1970, and two hours on again; all pages are opened."""
    it.check()
    it.clock.set(TWO_HOURS)
    it.until(lambda: it.last_tick() > it.clock.now() - 120, "it ticks in the new time")
    it.until(lambda: len(it.lines("minutely")) >= CAUGHT_UP, "what was jumped over is caught up")
    it.check()
    it.clock.set(0)
    it.check()
    it.clock.set(-int(time.time()) + 1000)
    it.check()
    it.clock.set(TWO_HOURS)
    begun = len(it.lines("minutely"))
    it.until(lambda: len(it.lines("minutely")) > begun, "it fires again")
    it.check()
    measured(f"{it.each_once()} minutes, each run once")


def test_a_machine_that_slept_goes_on_with_what_ran_and_catches_up_what_was_due(
    it: World, measured: Measured
) -> None:
    """The machine sleeps for two hours while a run is under way: SIGSTOP to all, and a clock set on."""
    run = it.served.trigger("lasting")
    it.until(lambda: it.lines("lasting"), "the job has begun")
    processes = [it.served.process.pid, *below(it.served.process.pid)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    it.clock.set(TWO_HOURS)
    for pid in processes:
        os.kill(pid, signal.SIGCONT)
    it.until(lambda: it.last_tick() > it.clock.now() - 120, "it ticks in the new time")
    it.until(lambda: len(it.lines("minutely")) >= CAUGHT_UP, "what was slept through is caught up")
    it.notes.with_name("notes.go").touch()
    done = it.served.ended(run)
    assert (done["state"], len(done["attempts"]), len(it.lines("lasting"))) == ("succeeded", 1, 2)
    it.check()
    measured(f"{it.each_once()} minutes, each run once")
