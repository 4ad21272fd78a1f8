"""The process from outside: its start, its output, its stop, and what is true after it was killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.wakeup.peers import Peers
from tests.e2e.outside import PATIENCE, SAMPLE, Cli, Repository, Serve, Served, environ_of, gone, wait_for


def tree_of(pid: int) -> set[int]:
    """Return the pids of all descendants."""
    children: dict[int, set[int]] = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (folder / "stat").read_text()
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), set()).add(int(folder.name))
    found: set[int] = set()
    below = children.get(pid, set())
    while below:
        found |= below
        below = set().union(*(children.get(child, set()) for child in below)) - found
    return found


def begun(served: Served, run_id: str, word: str = "begun") -> None:
    wait_for(lambda: word in served.log(run_id), what=f"the job wrote {word!r}")


def test_it_is_ready_although_git_does_not_answer(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(SAMPLE)
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\nexec sleep {2 * PATIENCE}\n")
    slow.chmod(0o755)
    served = serve(first=True, PATH=f"{slow.parent}{os.pathsep}{os.environ['PATH']}").until_ready()
    assert served.http.get("/status").json()["git_sync_status"]["current_sha"] is None
    assert served.http.get("/health").json()["status"] == "healthy"


def test_it_says_where_the_api_is_what_is_scheduled_and_how_to_change_a_job(
    serve: Serve, repository: Repository
) -> None:
    sha = repository.commit(SAMPLE)
    served = serve().until_synced()
    said = wait_for(
        lambda: text if "To change a job" in (text := served.said()) else None,
        what="it says how to change a job",
    )
    assert served.url in said
    assert f"Scheduled (revision {sha[:12]})" in said
    assert re.search(r"hello +at 08:00, .*\(UTC\); next 20\d\d-", said)
    assert re.search(r"idle +off", said)
    assert f"edit it in {repository.folder}, commit, then run " in said
    assert "sauron sync or wait at most 300 s." in said
    assert "set SAURON_API_TOKENS" in said


def test_without_a_bundle_it_runs_and_says_what_to_set(serve: Serve) -> None:
    served = serve(JOBS_GIT_REPO_URL="").until_ready()
    said = wait_for(
        lambda: text if "sauron init" in (text := served.said()) else None, what="it says how to have jobs"
    )
    assert "JOBS_GIT_REPO_URL is not set" in said


def test_a_first_sync_that_fails_is_told_and_the_api_answers(serve: Serve, repository: Repository) -> None:
    served = serve(JOBS_GIT_REPO_URL=str(repository.folder / "nowhere")).until_ready()
    said = wait_for(
        lambda: text if "first sync failed" in (text := served.said()) else None, what="it says why"
    )
    assert "nowhere" in said
    assert served.http.get("/health").status_code == 200


def test_all_faults_of_the_settings_are_told_at_once_and_it_exits_2(serve: Serve) -> None:
    served = serve(SAURON_WORKERS="many", JOBS_REFRESH_INTERVAL_SECONDS="-1", API_PORT="99999")
    assert served.process.wait(60) == 2
    for name in ("SAURON_WORKERS", "JOBS_REFRESH_INTERVAL_SECONDS", "API_PORT"):
        assert name in served.logged()
    assert "Traceback" not in served.logged()


def test_a_port_in_use_is_one_line_and_exit_1(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = serve(API_PORT=str(port))
        assert served.process.wait(60) == 1
    assert f"127.0.0.1:{port} is in use" in served.logged()
    assert "Traceback" not in served.logged()


def test_a_store_that_is_no_database_is_one_line_and_exit_1(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    file.write_text("these are notes, not a database\n" * 100)
    served = serve(JOB_QUEUE_DB_URL=f"sqlite:///{file}")
    assert served.process.wait(60) == 1
    assert "is not an SQLite database" in served.logged()
    assert "Traceback" not in served.logged()


def test_a_termination_lets_a_running_attempt_finish_and_exits_0(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(SAMPLE)
    go = tmp_path / "go"
    served = serve(GO_FILE=str(go)).until_synced()
    run_id = served.trigger("slow")
    begun(served, run_id)
    waiting = served.trigger("slow")  # queued behind it: it must be there for the next start
    served.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "runner.stop_requested" in served.logged(), what="it stops")
    assert served.http.get("/health").status_code == 200  # it answers until the end
    go.touch()
    assert served.process.wait(60) == 0
    again = serve(GO_FILE=str(go)).until_ready()
    assert again.run(run_id)["state"] == "succeeded"
    assert again.ended(waiting)["state"] == "succeeded"


def test_an_attempt_that_outlasts_the_drain_is_ended_and_recorded_as_interrupted(
    serve: Serve, repository: Repository
) -> None:
    repository.commit(SAMPLE)
    served = serve(SAURON_DRAIN_SECONDS="0", SAURON_KILL_GRACE_SECONDS="1").until_synced()
    run_id = served.trigger("slow")
    begun(served, run_id)
    assert served.stop() == 0
    run = serve(SAURON_DRAIN_SECONDS="0").until_ready().run(run_id)
    assert [attempt["outcome"] for attempt in run["attempts"]] == ["interrupted"]
    assert run["state"] == "failed"


def test_a_second_signal_ends_it_at_once_with_its_whole_tree(serve: Serve, repository: Repository) -> None:
    repository.commit(SAMPLE)
    served = serve().until_synced()
    begun(served, served.trigger("slow"))
    tree = tree_of(served.process.pid)
    assert tree
    served.process.send_signal(signal.SIGINT)
    wait_for(lambda: "runner.stop_requested" in served.logged(), what="it stops")
    assert served.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    wait_for(lambda: all(gone(pid) for pid in tree), what="nothing of it is left")


@pytest.mark.faults
def test_a_kill_ends_its_whole_tree_and_the_next_start_runs_what_was_acknowledged(
    serve: Serve, repository: Repository
) -> None:
    """`sauron serve` is killed with runs acknowledged and one under way, and started again."""
    repository.commit(SAMPLE)
    served = serve(SAURON_WORKERS="1").until_synced()
    cut = served.trigger("slow")
    begun(served, cut)
    acknowledged = [served.trigger("hello") for _ in range(3)]
    served.http.post("/jobs/listing/disable", json={"reason": "kept"})
    tree = tree_of(served.process.pid)
    served.process.kill()
    served.process.wait()
    wait_for(lambda: all(gone(pid) for pid in tree), what="nothing of it is left")
    again = serve().until_ready()
    for run_id in acknowledged:
        assert again.ended(run_id)["state"] == "succeeded"
    assert [attempt["outcome"] for attempt in again.ended(cut)["attempts"]] == ["interrupted"]
    assert again.http.get("/jobs/listing").json()["override"]["reason"] == "kept"
    assert again.http.get("/audit").json()["clean"] is True


DYING = """
import sys
from chalicelib.execution.worker import Worker
from sauron.main import main

def dies(self, most):
    raise RuntimeError("a fault nobody thought of")

Worker.claim = dies
sys.exit(main())
"""


@pytest.mark.faults
def test_a_worker_thread_that_dies_ends_the_process_non_zero(tmp_path: Path, repository: Repository) -> None:
    """A thread of the runner dies of a fault nobody thought of."""
    repository.commit(SAMPLE)
    known = environ_of(API_PORT="0", SAURON_DRAIN_SECONDS="0", JOBS_GIT_REPO_URL=str(repository.folder))
    done = subprocess.run(
        [sys.executable, "-c", DYING],
        cwd=tmp_path,
        env=known,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "a fault nobody thought of" in done.stderr


@pytest.mark.faults
def test_a_store_that_refuses_for_a_while_ends_nothing(serve: Serve, repository: Repository) -> None:
    """A table of the store is gone for a while."""
    repository.commit(SAMPLE)
    served = serve().until_synced()
    store = served.folder / ".sauron" / "sauron.sqlite3"
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("ALTER TABLE job_queue RENAME TO gone")
        connection.commit()
    Peers(store.with_name(store.name + ".runners")).notify()
    wait_for(lambda: "claim.failed" in served.logged(), what="it says that it cannot claim")
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("ALTER TABLE gone RENAME TO job_queue")
        connection.commit()
    assert served.ended(served.trigger("hello"))["state"] == "succeeded"


def test_another_process_wakes_a_worker_at_once(serve: Serve, repository: Repository, cli: Cli) -> None:
    repository.commit(SAMPLE)
    served = serve().until_synced()
    queued = cli("run", "hello", "--json").json
    run = served.ended(queued["queue_id"])
    asked, began = (
        time.mktime(time.strptime(run[name][:19], "%Y-%m-%dT%H:%M:%S"))
        for name in ("created_at", "started_at")
    )
    assert began - asked <= 2  # it looks by itself only once a minute


def test_two_processes_on_one_store_run_everything_once(serve: Serve, repository: Repository) -> None:
    repository.commit(SAMPLE)
    first = serve().until_synced()
    url = f"sqlite:///{first.folder}/.sauron/sauron.sqlite3"
    second = serve(
        "other", JOB_QUEUE_DB_URL=url, JOBS_DIR=str(first.folder / ".sauron" / "jobs")
    ).until_synced()
    runs = [one.trigger("hello", force=True) for _ in range(5) for one in (first, second)]
    assert {first.ended(run_id)["state"] for run_id in runs} == {"succeeded"}
    assert {len(first.run(run_id)["attempts"]) for run_id in runs} == {1}
    assert first.stop() == 0
    last = second.trigger("hello")
    assert second.ended(last)["state"] == "succeeded"


def test_an_override_ends_at_its_instant(serve: Serve, repository: Repository) -> None:
    repository.commit(SAMPLE)
    served = serve().until_synced()
    until = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    assert served.http.post("/jobs/hello/disable", json={"until": until}).json()["enabled"] is False
    wait_for(lambda: served.http.get("/jobs/hello").json()["enabled"], what="it is on again", seconds=15)
    assert served.http.post("/jobs/hello/trigger").status_code == 200


def test_no_secret_is_printed_however_it_was_given(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret-from-a-file")
    repository.commit({"manifest.py": "raise RuntimeError('secret-from-a-file and secret-from-env refused')"})
    served = serve(
        GITHUB_TOKEN_FILE=str(tmp_path / "token"), AWS_SES_SECRET_ACCESS_KEY="secret-from-env"
    ).until_ready()
    wait_for(lambda: "the first sync failed" in served.said(), what="it says why nothing is scheduled")
    for text in (served.said(), served.logged(), served.http.get("/status").text, served.http.get("/").text):
        assert "secret-from" not in text
    assert "*** and *** refused" in served.said()
