"""A folder is removed, however deep it is and whatever rights it has."""

from __future__ import annotations

import os
from pathlib import Path

from sauron_jobs_loader.removal import remove_folder


def test_a_folder_deeper_than_any_recursion_and_any_path_is_removed(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    here = os.open(doomed, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("folder", dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert remove_folder(doomed)
    assert not doomed.exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "doomed" / "below").mkdir(parents=True)
    (tmp_path / "doomed" / "below" / "link").symlink_to("../../kept")
    (tmp_path / "link").symlink_to("kept")
    assert remove_folder(tmp_path / "doomed")
    assert remove_folder(tmp_path / "link")
    assert (tmp_path / "kept" / "file").exists()


def test_folders_that_are_not_writable_are_removed(tmp_path: Path) -> None:
    below = tmp_path / "doomed" / "a" / "b"
    below.mkdir(parents=True)
    (below / "file").touch()
    for folder in (below, below.parent, tmp_path / "doomed"):
        folder.chmod(0o500)
    assert remove_folder(tmp_path / "doomed")


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove_folder(tmp_path / "nothing")
