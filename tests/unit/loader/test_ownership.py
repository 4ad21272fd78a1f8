"""The line that a message about a missing permission prints is run, and cures it."""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sauron_jobs_loader.ownership import cure, not_readable, not_writable
from tests.mounts import mounted
from tests.other_user import as_user

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user"),
]
ME = 10001
DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def of(owner: int, path: Path, mode: int) -> Path:
    """Make a folder (or a file, if its name has a dot) of a user."""
    if "." in path.name:
        path.touch()
    else:
        path.mkdir()
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def a_folder_of_root(data: Path) -> Path:
    return of(0, data, 0o755) / "a.lock"


def a_file_of_root_in_my_folder(data: Path) -> Path:
    return of(0, of(ME, data, 0o700) / "a.lock", 0o600)


def a_file_of_root_in_a_strangers_folder(data: Path) -> Path:
    return of(0, of(10002, data, 0o777) / "a.lock", 0o600)


def my_folder_closed_to_myself(data: Path) -> Path:
    return of(ME, data, 0o500) / "a.lock"


def my_file_closed_to_myself(data: Path) -> Path:
    return of(ME, of(ME, data, 0o700) / "a.lock", 0o400)


def a_missing_folder_in_one_of_root(data: Path) -> Path:
    return of(0, data, 0o755) / "mine" / "a.lock"


def my_folder_behind_one_that_is_closed(data: Path) -> Path:
    of(0, data, 0o700)
    return of(ME, data / "mine", 0o700) / "a.lock"


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def tried(act: Callable[[Path], None], path: Path, told: Callable[[Path, OSError], str]) -> str:
    """What is told of an act that fails; nothing if it succeeds."""
    try:
        act(path)
    except OSError as error:
        return told(path, error)
    return ""


def run_the_line(said: str) -> None:
    found = re.search(r"Run(?: as root)?: (.*)$", said)
    assert found, said
    assert "; " not in found[1]
    for command in found[1].split(" && "):
        subprocess.run(shlex.split(command), check=True)


@pytest.mark.parametrize(
    ("made", "at_fault", "whose"),
    [
        (a_folder_of_root, ".", "the folder belongs to user root"),
        (a_file_of_root_in_my_folder, "a.lock", "the file belongs to user root"),
        (a_file_of_root_in_a_strangers_folder, "a.lock", "the file belongs to user root"),
        (my_folder_closed_to_myself, ".", "its permissions are 0500"),
        (my_file_closed_to_myself, "a.lock", "its permissions are 0400"),
        (a_missing_folder_in_one_of_root, ".", "the folder belongs to user root"),
        (my_folder_behind_one_that_is_closed, ".", "the folder belongs to user root"),
    ],
)
@pytest.mark.parametrize("given", [False, True], ids=["", "below"])
def test_the_line_cures_what_it_is_told_for(
    tmp_path: Path, made: Callable[[Path], Path], at_fault: str, whose: str, given: bool
) -> None:
    path = made(tmp_path / "my data")
    below = path.parent if given else None
    said = as_user(ME, tmp_path, lambda: tried(write, path, lambda at, error: cure(at, error, below=below)))
    assert said.startswith(str((tmp_path / "my data" / at_fault).resolve()) + " ")
    assert whose in said
    assert f"user {ME}:{ME}" in said
    run_the_line(said)
    assert as_user(ME, tmp_path, lambda: tried(write, path, cure)) == ""


@pytest.mark.parametrize(
    "made", [a_file_of_root_in_my_folder, my_file_closed_to_myself, my_folder_behind_one_that_is_closed]
)
def test_a_file_that_cannot_be_read_is_told_with_its_cure(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    path = made(tmp_path / "data")
    path.touch()
    path.chmod(0o200)

    def read(at: Path) -> None:
        at.read_bytes()

    said = as_user(ME, tmp_path, lambda: tried(read, path, not_readable))
    assert f"cannot be {'entered' if 'behind' in made.__name__ else 'read'} by user {ME}:{ME}" in said
    run_the_line(said)
    if said_again := as_user(ME, tmp_path, lambda: tried(read, path, not_readable)):  # behind the closed one
        run_the_line(said_again)
    assert as_user(ME, tmp_path, lambda: tried(read, path, not_readable)) == ""


@pytest.mark.parametrize(
    "path", ["/store.sqlite3", "/new/jobs", "/etc/jobs", "/home/jobs/x", "/proc/x", "/root/jobs/x"]
)
@pytest.mark.parametrize("given", [False, True], ids=["", "below"])
def test_no_line_gives_a_folder_of_the_system_away(tmp_path: Path, path: str, given: bool) -> None:
    below = Path(path).parent if given else None
    said = as_user(ME, tmp_path, lambda: not_writable(Path(path), DENIED, below=below))
    assert "chown -R" not in said
    assert "/root. Run" not in said
    assert not re.search(r"chmod \S+ /\w*$", said)
    assert not re.search(r"chown \S+ /\w*$", said) or said.endswith("/new")


def test_a_disk_that_is_mounted_read_only_is_not_cured_by_an_owner(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        path = of(ME, disk / "mine", 0o700) / "a.lock"
        disk.remount("ro")
        said = as_user(ME, tmp_path, lambda: tried(write, path, cure))
        assert f"{disk.path} is mounted read-only" in said
        run_the_line(said)
        assert as_user(ME, tmp_path, lambda: tried(write, path, cure)) == ""


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    said = cure(tmp_path / "a", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert said == f"No space left on device; free some space on the disk of {tmp_path}"


def test_root_is_told_no_owner() -> None:
    said = not_writable(Path("/proc/nowhere/store"), FileNotFoundError(2, "No such file or directory"))
    assert said == (
        "/proc cannot be written by user 0:0 (No such file or directory), although that is root. "
        "Name another folder"
    )
