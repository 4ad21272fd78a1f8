from __future__ import annotations

import io
from pathlib import Path

import pytest

from chalicelib import logs
from chalicelib.settings import Settings
from chalicelib.wiring import RUNNER, build


def log_of_a_start(tmp_path: Path) -> str:
    stream = io.StringIO()
    logs.configure(stream=stream)
    settings = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/data/s.sqlite3",
        "JOBS_DIR": f"{tmp_path}/data/jobs",
    }
    build(Settings.read(settings), runtime=RUNNER).close()
    return stream.getvalue()


@pytest.mark.parametrize(
    "left", ["jobs/revisions/0a1b/manifest.py", "backups/sauron-20260301-020000.sqlite3"]
)
def test_a_new_store_beside_what_an_older_one_left_is_told(tmp_path: Path, left: str) -> None:
    file = tmp_path / "data" / left
    file.parent.mkdir(parents=True)
    file.touch()
    log = log_of_a_start(tmp_path)
    assert "store.started_empty" in log
    assert "sauron restore" in log
    assert "store.started_empty" not in log_of_a_start(tmp_path)  # it is not new any more


def test_the_first_start_ever_is_no_reason_to_warn(tmp_path: Path) -> None:
    assert "store.started_empty" not in log_of_a_start(tmp_path)


def test_a_copy_of_the_file_without_its_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "data" / "jobs" / "revisions").mkdir(parents=True)
    (tmp_path / "data" / "jobs" / "revisions" / "x").touch()
    (tmp_path / "data" / "s.sqlite3").touch()
    assert "store.started_empty" in log_of_a_start(tmp_path)
