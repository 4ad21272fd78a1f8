"""What an attempt costs while it waits, and how soon its end is told: forked and spawned alike."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from sauron_jobs_loader.launch.attempt import LINGER
from sauron_jobs_loader.launch.facts import AttemptFacts
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import Runs, alive, eventually, pid_in, write_job

GRACE = timedelta(seconds=3)
SOON = 1.0
"""Seconds; far below the grace and the linger, far above what ending a small tree takes here."""

SUPERVISOR = """
def supervisor():
    ppid = os.getppid()
    fields = open(f"/proc/{ppid}/stat").read().rpartition(")")[2].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    status = dict(line.split(":", 1) for line in open(f"/proc/{ppid}/status").read().splitlines())
    return used, int(status["voluntary_ctxt_switches"])

"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=GRACE)) as launcher:
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


def test_while_a_job_sleeps_its_supervisor_and_the_thread_that_watches_it_sleep_too(runs: Runs) -> None:
    body = """
        def run():
            used, wakes = supervisor()
            time.sleep(1)
            used_then, wakes_then = supervisor()
            return [used_then - used, wakes_then - wakes]
        """
    write_job(runs.folder, SUPERVISOR + dedent(body))
    attempt = runs.start()
    before = time.thread_time()
    told = runs.watch(attempt)
    watching = time.thread_time() - before
    assert told.facts.result is not None
    supervising, wakes = told.facts.result["value"]
    assert watching < 0.05
    assert supervising < 0.05
    assert wakes < 20


def test_a_crash_is_told_at_once_although_a_child_lives_on(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    write_job(
        runs.folder,
        f"""
        def run():
            child = subprocess.Popen(["sleep", "600"])
            open({str(file)!r}, "w").write(f"{{child.pid}}\\n")
            os._exit(3)
        """,
    )
    attempt = runs.start()
    began = time.monotonic()
    told = runs.watch(attempt, timeout=30)
    assert time.monotonic() - began < SOON
    assert (told.verdict.outcome, told.verdict.error) == ("failed", "ended without a result (exit code 3)")
    assert (told.facts.leftovers, told.facts.timed_out) == (1, False)
    assert not alive(pid_in(file))


def test_a_daemon_that_lives_on_does_not_delay_the_end_of_a_job_that_returned(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    subprocess.Popen(['sleep', '600'])\n    return 1")
    attempt = runs.start()
    began = time.monotonic()
    told = runs.watch(attempt, timeout=30)
    assert time.monotonic() - began < SOON < LINGER.total_seconds()
    assert told.facts.result == {"ok": True, "value": 1}
    assert told.facts.leftovers == 1


def test_a_stop_whose_tree_ends_at_once_does_not_take_the_whole_grace(runs: Runs) -> None:
    write_job(
        runs.folder,
        "def run():\n    child = subprocess.Popen(['sleep', '600'])\n    print('up')\n    child.wait()",
    )
    attempt = runs.start()
    told_at: list[float] = []

    def stop(_output: bytes) -> None:
        told_at.append(time.monotonic())
        attempt.stop("cancelled by tests")

    assert runs.watch(attempt, on_output=stop).verdict.outcome == "cancelled"
    assert time.monotonic() - told_at[0] < SOON < GRACE.total_seconds()


def test_an_attempt_that_was_ended_before_it_is_watched_answers_at_once_and_so_does_a_second_watch(
    runs: Runs,
) -> None:
    write_job(runs.folder, "def run():\n    time.sleep(600)")
    attempt = runs.start()
    attempt.abandon("its runner was stopped")
    attempt.end()
    for _ in range(2):
        told = runs.watch(attempt)
        assert (told.verdict.outcome, told.verdict.error) == ("interrupted", "its runner was stopped")


def test_a_watch_after_the_end_answers_at_once(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    return 1")
    attempt = runs.start()
    assert runs.watch(attempt).verdict.outcome == "succeeded"
    runs.watch(attempt)


def test_ending_a_forked_attempt_that_is_watched_leaves_its_end_to_the_watch(tmp_path: Path) -> None:
    go = tmp_path / "go"
    body = f"def run():\n    while not os.path.exists({str(go)!r}):\n        time.sleep(0.005)\n    return 1"
    with contextlib.closing(Launcher(grace=GRACE)) as launcher:
        runs = Runs(launcher, write_job(tmp_path / "bundle", body), spawn=False)
        attempt = runs.start()
        ended: list[AttemptFacts] = []
        watcher = threading.Thread(target=lambda: ended.append(runs.watch(attempt).facts))
        watcher.start()
        eventually(lambda: attempt._watched)
        attempt.end()
        go.touch()
        watcher.join(20)
    assert [facts.result for facts in ended] == [{"ok": True, "value": 1}]
