"""No other user of the machine reads what Sauron keeps; what jobs write is as open as ever."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import Repository, Served, command, start

NOBODY = 65534
BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.sample import write
job_registry.register(JobConfig(id="write", cron="0 8 1 1 *", func=write))
job_registry.register(JobConfig(id="own", cron="0 8 1 1 *", func=write, secrets=[]))
job_registry.register(JobConfig(id="touch", cron="0 8 1 1 *", command=["sh", "-c", "umask"]))
""",
    "jobs/sample.py": """
import os
def write():
    before = os.umask(0)
    print(f"umask {before:03o}")
""",
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user may enter, as a home folder often is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def seen_by_others(folder: Path) -> list[str]:
    """The files and folders that another user could read or list, by their permissions."""
    found = []
    for root, folders, files in os.walk(folder):
        here = Path(root)
        if not here.stat().st_mode & 0o001:  # nobody else gets in
            folders.clear()
            continue
        found += [str(here / name) for name in files if (here / name).stat().st_mode & 0o004]
    return found


def read_as_nobody(paths: list[Path]) -> list[str]:
    """The paths that a process of another user can open."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        for path in paths:
            try:
                os.close(os.open(path, os.O_RDONLY))
            except OSError:
                continue
            os.write(writer, f"{path}\n".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        lines = said.read().splitlines()
    os.waitpid(child, 0)
    return lines


def served(home: Path, repository: Repository) -> Served:
    return start(home, JOBS_GIT_REPO_URL=str(repository.folder)).until_synced()


def opened_up(home: Path) -> None:
    """Leave everything as an earlier version did."""
    for path in (home / ".sauron", *(home / ".sauron").rglob("*")):
        if path.is_symlink() or path.is_socket():
            continue
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "of an earlier version"])
def test_another_user_reads_nothing_that_sauron_keeps(
    home: Path, repository: Repository, earlier: bool
) -> None:
    repository.commit(BUNDLE)
    before = os.umask(0o022)
    try:
        running = served(home, repository)
        if earlier:
            running.stop()
            running.close()
            opened_up(home)
            assert seen_by_others(home)
            running = served(home, repository)
        told = [running.ended(running.trigger(job)) for job in ("write", "own", "touch")]
        logs = [running.log(run["id"]).strip() for run in told]
        copied = command(home, "backup", "copy.sqlite3")
    finally:
        os.umask(before)
    assert copied.code == 0, copied.err
    assert logs == ["umask 022", "umask 022", "0022"]
    kept = [home / "copy.sqlite3", home / ".sauron", *(home / ".sauron").rglob("*")]
    names = {path.name for path in kept}
    assert {"sauron.sqlite3", "sauron.sqlite3-wal", "manifest.py"} <= names
    assert [path for path in seen_by_others(home) if not path.endswith(("stdout.txt", "stderr.txt"))] == []
    if os.getuid() == 0:
        control = home / "stdout.txt"
        control.chmod(0o644)
        assert read_as_nobody([control, *kept]) == [str(control)]
    modes = {path.name: path.stat().st_mode & 0o777 for path in kept if path.parent == home / ".sauron"}
    assert (home / ".sauron").stat().st_mode & 0o777 == 0o700
    assert {modes[name] for name in ("sauron.sqlite3", "sauron.sqlite3-wal")} == {0o600}
    running.stop()
    running.close()


def test_a_bundle_that_init_writes_may_be_read_by_the_user_that_runs_it(home: Path) -> None:
    before = os.umask(0o022)
    try:
        assert command(home, "init", "bundle").code == 0
    finally:
        os.umask(before)
    assert (home / "bundle").stat().st_mode & 0o777 == 0o755
    assert (home / "bundle" / "manifest.py").stat().st_mode & 0o777 == 0o644
