"""`kill -9` of the runner at any moment, and two runners on one store: what is true afterwards."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Repository, Serve, Served, wait_for
from tests.faults.conftest import Measured

pytestmark = pytest.mark.faults
SEED = 7

MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import forever, once, note

job_registry.register(
    JobConfig(id="forever", cron="0 0 1 1 *", func=forever, max_attempts=2, retry_backoff_seconds=1))
job_registry.register(JobConfig(id="once", cron="0 0 1 1 *", func=once, max_attempts=1))
job_registry.register(JobConfig(id="note", cron="* * * * *", func=note, overlap="allow", max_attempts=5))
"""
JOBS = """
import os, subprocess, sys, time
from pathlib import Path
from typing import Any

def forever(ctx):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    with Path(os.environ["HOME"], "pids").open("a") as file:
        file.write(f"{os.getpid()} {child.pid}\\n")
    if ctx.attempt == 1:
        time.sleep(600)

def once():
    time.sleep(600)

def note(ctx):
    with Path(os.environ["HOME"], "notes").open("a") as file:
        file.write(f"{ctx.run_id} {ctx.attempt}\\n")
    time.sleep(0.05)
"""


@pytest.fixture
def bundle(repository: Repository) -> Repository:
    repository.commit({"manifest.py": MANIFEST, "jobs/work.py": JOBS})
    return repository


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def pids_of(file: Path, lines: int) -> list[int]:
    def read() -> list[int] | None:
        found = file.read_text().split() if file.exists() else []
        return [int(pid) for pid in found] if len(found) >= 2 * lines else None

    return wait_for(read, what=f"{file} has {lines} lines")


def store_of(served: Served) -> Path:
    return served.folder / ".sauron" / "sauron.sqlite3"


def rows(served: Served, query: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{store_of(served)}?mode=ro", uri=True, timeout=30) as db:
        found = db.execute(query, values).fetchall()
    db.close()
    return found


def audit_is_clean(served: Served) -> bool:
    return bool(served.http.get("/audit").json()["clean"])


def test_when_the_runner_is_killed_its_whole_process_tree_ends(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner is killed while a job runs that has started a daemon."""
    served = serve(HOME=str(tmp_path)).until_synced()
    served.trigger("forever")
    pids = pids_of(tmp_path / "pids", 1)
    served.process.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids), what="the job and its daemon are gone")


def test_an_interrupted_attempt_is_recorded_as_such_and_retried_within_max_attempts(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner is killed with two runs under way, and started again."""
    served = serve(HOME=str(tmp_path)).until_synced()
    again, never = served.trigger("forever"), served.trigger("once")
    pids_of(tmp_path / "pids", 1)
    wait_for(lambda: served.run(never)["state"] == "running", what="the other one runs too")
    served.process.kill()
    served.process.wait()
    restarted = serve(HOME=str(tmp_path)).until_synced()
    done = restarted.ended(again)
    assert (done["state"], [a["outcome"] for a in done["attempts"]]) == (
        "succeeded",
        ["interrupted", "succeeded"],
    )
    lost = restarted.ended(never)
    assert (lost["state"], lost["error_type"], [a["outcome"] for a in lost["attempts"]]) == (
        "failed",
        "interrupted",
        ["interrupted"],
    )
    assert audit_is_clean(restarted)


def test_kill_9_at_any_moment_loses_no_acknowledged_trigger_and_leaves_no_run_running(
    bundle: Repository, serve: Serve, tmp_path: Path, measured: Measured
) -> None:
    """A runner is killed at random moments while triggers come in."""
    chance = random.Random(SEED)  # noqa: S311 - the same moments each time
    asked: list[str] = []
    for _round in range(6):
        served = serve(HOME=str(tmp_path)).until_synced()
        deadline = time.monotonic() + chance.uniform(0.05, 0.8)
        while time.monotonic() < deadline:
            asked.append(served.trigger("note"))
        served.process.kill()
        served.process.wait()
    served = serve(HOME=str(tmp_path)).until_synced()
    wait_for(
        lambda: (
            rows(served, "SELECT count(*) FROM job_queue WHERE finished_at IS NULL AND origin = 'trigger'")
            == [(0,)]
        ),
        what="all is over",
        seconds=60,
    )
    states = dict(rows(served, "SELECT id, state FROM job_queue WHERE origin = 'trigger'"))
    assert {states[run_id] for run_id in asked} == {"succeeded"}
    noted = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    assert len(noted) == len({tuple(one) for one in noted})  # no attempt was started twice
    assert set(asked) <= {run_id for run_id, _ in noted}
    assert (
        rows(
            served,
            "SELECT job_id, fire_at, count(*) FROM job_queue WHERE fire_at IS NOT NULL"
            " GROUP BY 1, 2 HAVING count(*) > 1",
        )
        == []
    )
    assert audit_is_clean(served)
    measured(f"{len(asked)} triggers acknowledged, each succeeded; 6 kills", seed=SEED)


def test_two_runners_on_one_store_do_nothing_twice(bundle: Repository, serve: Serve, tmp_path: Path) -> None:
    """Two runners share an SQLite store; one is stopped."""
    one = serve(HOME=str(tmp_path)).until_synced()
    shared = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{store_of(one)}",
        "JOBS_DIR": str(one.folder / ".sauron" / "jobs"),
    }
    two = serve("second", HOME=str(tmp_path), **shared).until_synced()
    assert (
        len(
            wait_for(
                lambda: found if len(found := one.http.get("/status").json()["runners"]) == 2 else None,
                what="both are shown",
            )
        )
        == 2
    )
    asked = [(one, two)[number % 2].trigger("note") for number in range(80)]
    wait_for(
        lambda: (
            rows(
                one,
                "SELECT count(*) FROM job_queue WHERE state IN ('queued', 'running') AND origin = 'trigger'",
            )
            == [(0,)]
        ),
        what="all is over",
        seconds=60,
    )
    noted = [line.split()[0] for line in (tmp_path / "notes").read_text().splitlines()]
    assert sorted(run for run in noted if run in asked) == sorted(asked)
    assert len(rows(one, "SELECT DISTINCT runner FROM attempts")) == 2
    assert one.stop() == 0
    assert two.http.get("/health").status_code == 200
    two.ended(two.trigger("note"))
    assert audit_is_clean(two)


def test_a_frozen_runner_that_lost_its_lease_records_nothing(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner is stopped (SIGSTOP), its run is taken over, and it goes on."""
    served = serve(HOME=str(tmp_path)).until_synced()
    run_id = served.trigger("forever")
    pids_of(tmp_path / "pids", 1)
    served.process.send_signal(signal.SIGSTOP)
    with sqlite3.connect(store_of(served), timeout=30) as db:
        db.execute(
            "UPDATE job_queue SET lease_owner = 'other', lease_generation = lease_generation + 1"
            " WHERE id = ?",
            (run_id,),
        )
    db.close()
    os.kill(pids_of(tmp_path / "pids", 1)[0], signal.SIGKILL)
    served.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "run.taken_over" in served.logged(), what="it says that the run was taken over")
    assert rows(served, "SELECT state, lease_owner FROM job_queue WHERE id = ?", run_id) == [
        ("running", "other")
    ]


def test_a_stopping_runner_lets_attempts_finish_and_hands_back_nothing_half_done(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner with one worker and ten runs is told to stop."""
    served = serve(HOME=str(tmp_path), SAURON_WORKERS="1").until_synced()
    asked = [served.trigger("note") for _ in range(10)]
    assert served.stop() == 0
    found = dict(rows(served, "SELECT id, state FROM job_queue WHERE origin = 'trigger'"))
    assert {found[run_id] for run_id in asked} <= {"succeeded", "queued"}
    restarted = serve(HOME=str(tmp_path)).until_synced()
    assert {restarted.ended(run_id)["state"] for run_id in asked} == {"succeeded"}
    noted = [line.split()[0] for line in (tmp_path / "notes").read_text().splitlines()]
    assert sorted(run for run in noted if run in asked) == sorted(asked)


def test_what_outlives_the_drain_is_interrupted_and_recorded(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner is told to stop, and its jobs do not end within the drain."""
    served = serve(HOME=str(tmp_path), SAURON_DRAIN_SECONDS="0", SAURON_KILL_GRACE_SECONDS="1").until_synced()
    never, again = served.trigger("once"), served.trigger("forever")
    pids = pids_of(tmp_path / "pids", 1)
    wait_for(lambda: served.run(never)["state"] == "running", what="it runs")
    assert served.stop() == 0
    assert not any(alive(pid) for pid in pids)
    found = {
        run: (state, kind)
        for run, state, kind in rows(
            served, "SELECT id, state, error_type FROM job_queue WHERE origin = 'trigger'"
        )
    }
    assert found == {never: ("failed", "interrupted"), again: ("queued", "interrupted")}


def test_ctrl_c_reaches_the_runner_alone(bundle: Repository, serve: Serve, tmp_path: Path) -> None:
    """A runner gets SIGINT while runs are under way."""
    served = serve(HOME=str(tmp_path)).until_synced()
    asked = [served.trigger("note") for _ in range(3)]
    assert served.stop(signal.SIGINT) == 0
    states = {row[0] for row in rows(served, "SELECT state FROM job_queue WHERE origin = 'trigger'")}
    assert states <= {"succeeded", "queued"}
    assert len(asked) == 3


def test_a_dead_runners_lock_is_free_only_when_all_it_started_is_gone(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """A runner is killed while its guard is stopped, so that its job lives on."""
    served = serve(HOME=str(tmp_path)).until_synced()
    run_id = served.trigger("forever")
    pids = pids_of(tmp_path / "pids", 1)
    guard = next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and b"sauron_jobs_loader\0zygote" in command_of(entry)
        and parent_of(entry) == served.process.pid
    )
    os.kill(guard, signal.SIGSTOP)
    served.process.kill()
    served.process.wait()
    [lock] = (served.folder / ".sauron" / "sauron.sqlite3.runners").glob("*.lock")
    with lock.open("r+") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.kill(guard, signal.SIGCONT)
    wait_for(lambda: not any(alive(pid) for pid in (*pids, guard)), what="the tree is gone")
    restarted = serve(HOME=str(tmp_path)).until_synced()
    assert restarted.ended(run_id)["state"] == "succeeded"


def test_a_living_neighbour_takes_up_what_a_dead_runner_held(
    bundle: Repository, serve: Serve, tmp_path: Path
) -> None:
    """One of two runners on an SQLite store is killed."""
    one = serve(HOME=str(tmp_path)).until_synced()
    run_id = one.trigger("forever")
    pids_of(tmp_path / "pids", 1)
    shared = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{store_of(one)}",
        "JOBS_DIR": str(one.folder / ".sauron" / "jobs"),
    }
    two = serve("second", HOME=str(tmp_path), **shared).until_synced()
    one.process.kill()
    one.process.wait()
    assert two.ended(run_id)["state"] == "succeeded"
    wait_for(
        lambda: len(two.http.get("/status").json()["runners"]) == 1, what="the dead runner is shown no more"
    )


def command_of(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
