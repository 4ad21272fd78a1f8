"""What stays of the checkouts, what goes, and who may sync."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.checkouts import Checkouts

A, B, C = "a" * 40, "b" * 40, "c" * 40


def checked_out(root: Path, *names: str) -> Checkouts:
    for name in names:
        (root / "revisions" / name / "jobs").mkdir(parents=True)
        (root / "revisions" / name / "manifest.py").write_text("")
    return Checkouts(root)


def test_path_answers_only_complete_checkouts(tmp_path: Path) -> None:
    revisions = checked_out(tmp_path, A, f"{B}.1234.tmp")
    assert revisions.path(A) == tmp_path / "revisions" / A
    assert revisions.path(B) is None
    assert revisions.path(f"{B}.1234.tmp") is None
    assert revisions.path("../revisions") is None


def test_pruning_deletes_all_but_what_is_kept_and_says_which(tmp_path: Path) -> None:
    revisions = checked_out(tmp_path, A, B, C)
    assert revisions.prune({B}) == [A, C]
    assert [entry.name for entry in (tmp_path / "revisions").iterdir()] == [B]


def test_pruning_an_absent_folder_deletes_nothing(tmp_path: Path) -> None:
    assert Checkouts(tmp_path).prune(set()) == []


def test_pruning_removes_what_crashes_left_but_not_a_checkout_under_way(tmp_path: Path) -> None:
    revisions = checked_out(tmp_path, f"{A}.1.tmp", f"{A}.2.tmp", f"{B}.3.gone", "something-else")
    os.utime(tmp_path / "revisions" / f"{A}.1.tmp", (1, 1))
    assert revisions.prune(set()) == []
    left = {entry.name for entry in (tmp_path / "revisions").iterdir()}
    assert left == {f"{A}.2.tmp", "something-else"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete everything")
def test_pruning_never_raises_for_a_folder_that_resists(tmp_path: Path) -> None:
    revisions = checked_out(tmp_path, A)
    (tmp_path / "revisions").chmod(0o555)
    try:
        assert revisions.prune(set()) == []
    finally:
        (tmp_path / "revisions").chmod(0o755)


@pytest.mark.process
def test_pruning_a_revision_that_a_process_works_in_does_not_raise(tmp_path: Path) -> None:
    revisions = checked_out(tmp_path, A)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; open('x', 'w').write('x'); print(flush=True); sys.stdin.read()"],
        cwd=tmp_path / "revisions" / A,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        assert revisions.prune(set()) == [A]
        busy.communicate()
    assert revisions.path(A) is None


def test_one_sync_at_a_time_among_threads(tmp_path: Path) -> None:
    revisions = Checkouts(tmp_path)
    inside = 0
    most = 0
    guard = threading.Lock()

    def sync() -> None:
        nonlocal inside, most
        with revisions.lock():
            with guard:
                inside += 1
                most = max(most, inside)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=sync) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_lock_that_is_held_for_too_long_says_by_what_file(tmp_path: Path) -> None:
    revisions = Checkouts(tmp_path)
    with revisions.lock(), pytest.raises(SourceError, match=r"sync\.lock") as caught:  # noqa: SIM117 - the order matters
        with Checkouts(tmp_path).lock(timeout=timedelta(seconds=0.05)):
            pass
    assert caught.value.fault is SourceFault.BUSY


@pytest.mark.process
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sauron_jobs_loader.git.checkouts import Checkouts\n"
        f"with Checkouts(Path({str(tmp_path)!r})).lock():\n    print('held', flush=True); sys.stdin.read()"
    )
    project = str(Path(__file__).resolve().parents[4])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": project},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SourceError), Checkouts(tmp_path).lock(timeout=timedelta(0)):
            pass
        holder.kill()
        holder.wait()
        with Checkouts(tmp_path).lock(timeout=timedelta(seconds=5)):
            pass
