"""The disk of the store is full or read-only, or another process holds the store. `docs/faults.md` has it.

One run is under way when the fault comes, and its work ends during it. Then the fault is mended.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.store.sqlite_file import BUSY_SECONDS
from tests.e2e.outside import Repository, Serve, Served, command, wait_for
from tests.faults.conftest import Measured
from tests.http_receiver import Receiver
from tests.mounts import Disk, mounted, with_quota

pytestmark = [pytest.mark.faults, pytest.mark.process]

LOCKED_SECONDS = 125.0
MOST_ACCEPTED = 2000
Mount = Callable[[Path], AbstractContextManager[Disk]]
SMALL: Mount = partial(mounted, size="16m")
BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import tell, wait
job_registry.register(JobConfig(id="wait", cron="0 0 1 1 *", func=wait, max_attempts=1))
job_registry.register(JobConfig(id="tell", cron="* * * * *", func=tell, catchup="all", overlap="allow"))
""",
    "jobs/work.py": """
import os, pathlib, time
HERE = pathlib.Path(os.environ["NOTES"])

def note(name, line):
    with (HERE / name).open("a") as file:
        file.write(f"{line}\\n")

def wait():
    note("wait", "begun")
    while not (HERE / "go").exists():
        time.sleep(0.02)
    note("wait", "ended")

def tell(ctx):
    note("tell", ctx.run_id)
""",
}


@dataclass
class World:
    """A Sauron whose store has a disk of its own, with one run under way."""

    served: Served
    disk: Disk
    notes: Path
    run: str

    @property
    def store(self) -> Path:
        return self.disk / "store.sqlite3"

    def lines(self, name: str) -> list[str]:
        return (self.notes / name).read_text().split()

    def end_the_work(self) -> None:
        (self.notes / "go").touch()
        wait_for(lambda: "ended" in self.lines("wait"), what="the job's work is done")

    def ready(self) -> tuple[int, str]:
        answer = self.served.http.get("/ready")
        return answer.status_code, answer.json()["parts"]["store"]

    def trigger(self) -> int:
        return self.served.http.post("/jobs/tell/trigger", json={}, timeout=100).status_code

    def refused(self) -> str | None:
        """Ask for a run; return what /ready says of the store once it does not answer 200."""
        code, said = self.ready() if self.trigger() != 200 else (200, "")
        return said if code == 503 else None

    def check_all_is_whole(self) -> None:
        done = self.served.ended(self.run)
        assert (done["state"], [one["outcome"] for one in done["attempts"]]) == ("succeeded", ["succeeded"])
        assert self.lines("wait") == ["begun", "ended"]
        wait_for(lambda: self.ready() == (200, "ready"), what="/ready is 200")
        assert self.trigger() == 200
        assert self.served.http.get("/audit").json()["clean"]
        wait_for((self.notes / "tell").exists, what="the triggered run has told")
        told = self.lines("tell")
        assert len(told) == len(set(told))


@contextlib.contextmanager
def world(
    serve: Serve, repository: Repository, notes: Path, mount: Mount = SMALL, **more: str
) -> Iterator[World]:
    repository.commit(BUNDLE)
    with mount(notes / "disk") as disk:
        served = serve(**environ(notes) | more).until_synced()
        run = served.trigger("wait")
        wait_for((notes / "wait").exists, what="the job has begun")
        yield World(served, disk, notes, run)
        served.close()


def environ(notes: Path) -> dict[str, str]:
    store = f"sqlite:///{notes / 'disk' / 'store.sqlite3'}"
    return {"NOTES": str(notes), "JOB_QUEUE_DB_URL": store, "JOBS_DIR": str(notes / "jobs")}


def fill(disk: Disk) -> Path:
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    for size in (65536, 4096, 1):
        with contextlib.suppress(OSError):
            while os.write(descriptor, bytes(size)):
                pass
    os.close(descriptor)
    return ballast


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        pytest.param(SMALL, "database or disk is full", id="full"),
        pytest.param(with_quota, "disk I/O error", id="quota"),
    ],
)
def test_a_full_disk_refuses_new_runs_and_loses_none_under_way(
    serve: Serve, repository: Repository, tmp_path: Path, measured: Measured, mount: Mount, reason: str
) -> None:
    """The disk of the store is filled to the last byte, or its quota is used up."""
    with world(serve, repository, tmp_path, mount) as it:
        ballast = fill(it.disk)
        accepted = 0
        while it.trigger() == 200:  # the store's log had room left, so these are kept
            accepted += 1
            assert accepted < MOST_ACCEPTED
        it.end_the_work()
        # What is smaller than a run may still fit, and then the last write did not fail; until the next run.
        said = wait_for(it.refused, what="a run is refused, and /ready says why")
        assert "the last write failed" in said
        assert reason in said
        assert it.served.http.get("/health").status_code == 200
        assert it.served.http.get("/runs").status_code == 200
        assert it.served.run(it.run)["state"] in {
            "running",
            "succeeded",
        }  # its end may fit where a run does not
        ballast.unlink()
        began = time.monotonic()
        it.check_all_is_whole()
        measured(
            f"{accepted} triggers still fitted; all was well {time.monotonic() - began:.1f} s after the end"
        )


def test_a_restart_on_a_full_disk_takes_up_all_that_was_there(
    serve: Serve, repository: Repository, tmp_path: Path, measured: Measured
) -> None:
    """The runner is killed on a full disk, started again there, and once there is room."""
    with world(serve, repository, tmp_path) as it:
        it.end_the_work()
        it.served.ended(it.run)
        ballast = fill(it.disk)
        it.served.process.kill()
        it.served.process.wait()
        began = time.monotonic()
        again = serve(**environ(tmp_path))
        assert again.process.wait(60) == 1
        measured(f"the start ended after {time.monotonic() - began:.1f} s")
        said = f"sauron: The store {it.store} cannot be used: database or disk is full. Free some space"
        assert again.logged().splitlines()[-1].startswith(said)
        assert "Traceback" not in again.logged()
        ballast.unlink()
        it.served = serve(**environ(tmp_path)).until_ready()
        it.check_all_is_whole()


def test_a_disk_that_is_read_only_at_start_is_named_with_its_cure(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    """The disk of the store is mounted read-only before a start."""
    with world(serve, repository, tmp_path) as it:
        it.end_the_work()
        it.served.ended(it.run)
        it.served.stop()
        it.disk.remount("ro")
        refused = serve(**environ(tmp_path))
        assert refused.process.wait(60) == 1
        assert f"the disk at {it.disk.path} is mounted read-only" in refused.logged()
        assert f"Run as root: mount -o remount,rw {it.disk.path}" in refused.logged()
        asked = command(tmp_path / "elsewhere", "status", seconds=60, **environ(tmp_path))
        assert (asked.code, "is mounted read-only" in asked.err) == (1, True)
        it.disk.remount("rw")
        it.served = serve(**environ(tmp_path)).until_ready()
        it.check_all_is_whole()


def hold(store: Path) -> sqlite3.Connection:
    """Begin to write in another process's name and do not end."""
    other = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    return other


def test_a_trigger_waits_while_another_process_holds_the_store_for_a_moment(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    """Another process holds the store (BEGIN EXCLUSIVE) for a moment."""
    with world(serve, repository, tmp_path) as it:
        other = hold(it.store)
        it.end_the_work()
        given: list[int] = []
        asking = threading.Thread(target=lambda: given.append(it.trigger()))
        asking.start()
        assert it.served.http.get("/runs").status_code == 200  # readers do not wait
        assert given == []
        other.close()
        asking.join()
        assert given == [200]
        it.check_all_is_whole()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_store_that_is_held_for_two_minutes_loses_no_run_and_no_occurrence(
    serve: Serve, repository: Repository, tmp_path: Path, measured: Measured, monitor: Receiver
) -> None:
    """Another process holds the store for two minutes; an outside monitor is pinged."""
    with world(serve, repository, tmp_path, SAURON_HEARTBEAT_URL=monitor.url) as it:
        wait_for(lambda: monitor.asked, what="the dead man's switch is pinged", seconds=100)
        until = time.monotonic() + LOCKED_SECONDS
        other = hold(it.store)
        it.end_the_work()
        monitor.asked.clear()
        said: list[Any] = []
        while time.monotonic() < until:
            begun = time.monotonic()
            said.append((it.trigger(), round(time.monotonic() - begun)))
        assert {code for code, _ in said} == {503}
        assert max(seconds for _, seconds in said) < 2 * BUSY_SECONDS  # nobody waits for the store twice
        code, reason = it.ready()
        assert code == 503
        assert "the last write failed" in reason
        assert "database is locked" in reason
        assert it.served.http.get("/runs").status_code == 200
        assert it.served.run(it.run)["state"] == "running"
        assert monitor.asked == []  # two pings are missing: the monitor alerts
        other.close()
        it.check_all_is_whole()
        wait_for(lambda: monitor.asked, what="the dead man's switch is pinged again", seconds=100)
        wait_for(lambda: len(it.lines("tell")) >= 4, what="the occurrences of before are there", seconds=70)
        it.check_all_is_whole()
        measured(
            f"held for {LOCKED_SECONDS:g} s; triggers got 503 after {[seconds for _, seconds in said]} s"
        )
