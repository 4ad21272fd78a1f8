from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.store import permissions


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
