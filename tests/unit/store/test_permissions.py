from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.store import permissions
from sauron_jobs_loader.errors import SourceError
from sauron_jobs_loader.file_lock import file_lock
from tests.other_user import as_user


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("before", "after"), [(0o755, 0o700), (0o777, 0o700), (0o701, 0o700), (0o750, 0o750), (0o700, 0o700)]
)
def test_what_every_user_may_enter_is_closed_and_a_group_that_was_let_in_stays(
    tmp_path: Path, before: int, after: int
) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    folder.chmod(before)
    permissions.tighten([folder])
    assert mode(folder) == after


def test_a_file_is_closed_and_what_is_missing_or_a_link_is_left_alone(tmp_path: Path) -> None:
    file, link = tmp_path / "store", tmp_path / "link"
    file.touch(mode=0o644)
    other = tmp_path / "other"
    other.touch()
    other.chmod(0o644)
    link.symlink_to(other)
    permissions.tighten([file, link, tmp_path / "missing"])
    assert (mode(file), mode(other)) == (0o600, 0o644)


def test_a_folder_that_is_shared_or_worked_in_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, here = tmp_path / "tmp", tmp_path / "here"
    shared.mkdir()
    shared.chmod(0o1777)
    (here / "below").mkdir(parents=True)
    here.chmod(0o755)
    monkeypatch.chdir(here / "below")
    permissions.tighten([shared, here])
    assert (shared.stat().st_mode & 0o7777, mode(here)) == (0o1777, 0o755)


def test_root_is_told_before_it_writes_where_another_user_lives(tmp_path: Path) -> None:
    theirs = tmp_path / "data"
    theirs.mkdir()
    if os.getuid() == 0:
        os.chown(theirs, 10001, 10001)
        said = permissions.strangers(theirs / "jobs" / "new", uid=0)
        assert said
        assert f"{theirs} belongs to user 10001" in said
        assert "docker exec -u 10001" in said
    assert permissions.strangers(tmp_path / "x", uid=tmp_path.stat().st_uid) is None
    assert permissions.strangers(theirs, uid=10002) is None  # not root: what it may not do is refused


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user")
@pytest.mark.process
def test_the_file_at_fault_is_named_with_its_owner_and_a_line_that_cures_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 10001, 10001)
    (folder / "store").touch(mode=0o600)
    os.chown(folder / "store", 10001, 10001)
    (folder / "store-wal").touch(mode=0o600)  # of root
    (folder / "sync.lock").touch(mode=0o600)

    def say() -> str:
        return permissions.unwritable(folder / "store", OSError(13, "Permission denied"))

    store, lock = as_user(10001, tmp_path, say), as_user(10001, tmp_path, lambda: lock_refused(folder))
    for said, file in ((store, "store-wal"), (lock, "sync.lock")):
        assert f"{folder / file} cannot be written by user 10001:10001" in said
        assert "the file belongs to user root" in said
        assert f"chown -R 10001:10001 {folder}" in said


def lock_refused(folder: Path) -> str:
    with pytest.raises(SourceError) as refused, file_lock(folder / "sync.lock", timeout=timedelta(seconds=1)):
        pass
    return str(refused.value)
