"""A disk without room for another file, and a reader that does not end. `docs/faults.md` has both."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.outside import Repository, Serve, wait_for
from tests.faults.conftest import Measured
from tests.faults.test_storage import BUNDLE, environ
from tests.mounts import mounted

pytestmark = [pytest.mark.faults, pytest.mark.process, pytest.mark.long]

FILES = 400  # a store, a clone and some checkouts


def test_a_disk_that_takes_no_more_files_fails_syncs_which_say_so_and_no_run(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    """The disk of the bundle has no room for another file (inodes)."""
    repository.commit(BUNDLE)
    with mounted(tmp_path / "disk", size="64m", files=FILES) as disk:
        served = serve(**environ(tmp_path) | {"JOBS_DIR": str(disk / "jobs")}).until_synced()
        first = served.http.get("/status").json()["git_sync_status"]["current_sha"]
        made = 0
        with contextlib.suppress(OSError):
            while True:
                (disk / f"file{made}").touch()
                made += 1
        repository.commit({"jobs/more.py": "MORE = True"})
        served.http.post("/sync", timeout=60)
        status = served.http.get("/status").json()["git_sync_status"]
        assert "No space left on device" in status["last_error"]
        assert status["current_sha"] == first
        run = served.ended(served.trigger("tell"))
        assert run["state"] == "succeeded"
        assert served.http.get("/audit").json()["clean"]
        for number in range(made):
            (disk / f"file{number}").unlink()
        served.http.post("/sync", timeout=60)
        status = served.http.get("/status").json()["git_sync_status"]
        assert (status["last_error"], status["current_sha"] != first) == (None, True)
        served.close()


def test_a_reader_that_does_not_end_lets_the_log_grow_and_stops_nothing(
    serve: Serve, repository: Repository, tmp_path: Path, measured: Measured
) -> None:
    """Another process reads the SQLite store and does not end."""
    repository.commit(BUNDLE)
    (tmp_path / "disk").mkdir()
    served = serve(**environ(tmp_path)).until_synced()
    store = tmp_path / "disk" / "store.sqlite3"
    wal = Path(f"{store}-wal")
    reader = sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    seen = reader.execute("SELECT count(*) FROM job_queue").fetchone()
    before = wal.stat().st_size
    runs = [served.trigger("tell") for _ in range(150)]
    assert {served.ended(run)["state"] for run in runs} == {"succeeded"}
    after = wal.stat().st_size
    assert after > before
    measured(f"the -wal grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB with {len(runs)} runs")
    assert reader.execute("SELECT count(*) FROM job_queue").fetchone() == seen
    assert served.http.get("/ready").status_code == 200
    assert served.http.get("/status").json()["degraded"] == []
    reader.close()
    wait_for(lambda: served.http.get("/audit").json()["clean"], what="the audit is clean")
